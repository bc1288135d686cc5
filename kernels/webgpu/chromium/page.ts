// Drives the page's own replayer for tests: a message in, a promise of an answer out.
import { Gpu, type Limits } from '../../../site/frame/gpu'

interface Message {
  kind: keyof typeof handlers
}

interface Open {
  shaders: Record<string, string>
  unpacked: boolean
  minimum: boolean
}

let gpu: Gpu
let lost: string | undefined

const handlers = {
  async open({ shaders, unpacked, minimum }: Open): Promise<Limits> {
    gpu = await Gpu.open(new Map(Object.entries(shaders)))
    if (minimum) {
      gpu.close()
      const adapter = await navigator.gpu.requestAdapter()
      gpu = new Gpu(await adapter!.requestDevice(), new Map(Object.entries(shaders)))
    }
    gpu = new Gpu(gpu.device, new Map(Object.entries(shaders)), !unpacked)
    const opened = gpu
    void opened.lost.then((why) => (lost = why))
    return gpu.limits
  },
  reserve({ end }: { end: number }): void {
    gpu.reserve(end)
  },
  write({ to, data }: { to: number; data: string }): void {
    gpu.write(to, bytes(data))
  },
  pipeline({ name }: { name: string }): void {
    gpu.pipeline(name)
  },
  record({ list }: { list: string }): void {
    gpu.record(new Uint32Array(bytes(list).buffer))
  },
  async submit({ list, params }: { list: number; params: string }): Promise<boolean> {
    await gpu.ready()
    gpu.submit(list, bytes(params))
    return lost === undefined
  },
  /** What was asked for, in order, or why there is none. */
  async settle({ asked }: { asked: { from: number; length: number }[] }): Promise<string[] | string> {
    await gpu.ready()
    for (const { from, length } of asked) gpu.read(from, length)
    const answer = await gpu.flush()
    return answer === undefined ? (lost ?? 'the GPU is gone') : answer.map(text)
  },
  /** Milliseconds of each round of so many submits. */
  async time({ list, params, repeats, rounds }: { list: number; params: string; repeats: number; rounds: number }): Promise<number[]> {
    const raw = bytes(params)
    const times: number[] = []
    await gpu.ready()
    for (let round = 0; round < rounds; round++) {
      const started = performance.now()
      for (let i = 0; i < repeats; i++) gpu.submit(list, raw)
      if ((await gpu.flush()) === undefined) throw new Error(lost ?? 'the GPU is gone')
      times.push(performance.now() - started)
    }
    return times
  },
  /** Milliseconds of this thread to encode and submit, round by round. */
  async encode({ list, params, rounds }: { list: number; params: string; rounds: number }): Promise<number[]> {
    const raw = bytes(params)
    const times: number[] = []
    for (let round = 0; round < rounds; round++) {
      const started = performance.now()
      gpu.submit(list, raw)
      const done = gpu.flush()
      times.push(performance.now() - started)
      await done
    }
    return times
  },
  /** Milliseconds until every pipeline can be used. */
  async ready(): Promise<number> {
    const started = performance.now()
    await gpu.ready()
    return performance.now() - started
  },
  lose(): void {
    gpu.device.destroy()
  },
}

Object.assign(globalThis, {
  ask: async (message: Message): Promise<unknown> => handlers[message.kind](message as never),
})

function bytes(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))
}

function text(data: Uint8Array): string {
  let characters = ''
  for (let i = 0; i < data.length; i += 8192) characters += String.fromCharCode(...data.subarray(i, i + 8192))
  return btoa(characters)
}
