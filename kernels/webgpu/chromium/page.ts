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

/** What one kernel took in a run, by its pipeline's name. */
interface Kernel {
  name: string
  dispatches: number
  ms: number
}

let gpu: Gpu
let lost: string | undefined

const handlers = {
  async open({ shaders, unpacked, minimum }: Open): Promise<Limits> {
    wantClock()
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
  /** What each kernel of a list takes on the GPU's own clock, round by round; nothing where it has none. */
  async kernels({ list, params, rounds }: { list: number; params: string; rounds: number }): Promise<Kernel[][]> {
    const raw = bytes(params)
    const times: Kernel[][] = []
    await gpu.ready()
    if (!gpu.device.features.has(CLOCK)) return []
    for (let round = 0; round < rounds; round++) {
      const watch = new Watch(gpu.device)
      gpu.submit(list, raw)
      watch.stop()
      if ((await gpu.flush()) === undefined) throw new Error(lost ?? 'the GPU is gone')
      times.push(await watch.read())
    }
    return times
  },
  /** What computes. */
  adapter(): { name: string; software: boolean } {
    const { vendor, architecture, device, description, isFallbackAdapter } = gpu.device.adapterInfo
    return { name: [vendor, architecture, device, description].filter(Boolean).join(' '), software: isFallbackAdapter }
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

const CLOCK = 'timestamp-query'

/** Has every device come with a clock where its adapter has one. */
function wantClock(): void {
  const { requestDevice } = GPUAdapter.prototype
  GPUAdapter.prototype.requestDevice = function (wanted) {
    const clock: GPUFeatureName[] = this.features.has(CLOCK) ? [CLOCK] : []
    return requestDevice.call(this, { ...wanted, requiredFeatures: [...(wanted?.requiredFeatures ?? []), ...clock] })
  }
}

/** Times each dispatch of what a device encodes from now on: it gets a pass of its own. */
class Watch {
  private readonly most = 2048 // of a query set
  private readonly moments: GPUQuerySet
  private readonly names: string[] = []

  constructor(private readonly device: GPUDevice) {
    this.moments = device.createQuerySet({ type: 'timestamp', count: 2 * this.most })
    const create = device.createCommandEncoder
    device.createCommandEncoder = (...given) => {
      const commands = create.apply(device, given)
      const begin = commands.beginComputePass.bind(commands)
      commands.beginComputePass = () => this.pass(begin)
      return commands
    }
  }

  stop(): void {
    delete (this.device as Partial<GPUDevice>).createCommandEncoder // its own, and leaves the prototype's
  }

  async read(): Promise<Kernel[]> {
    const size = 16 * this.names.length
    const usage = GPUBufferUsage.COPY_DST
    const resolved = this.device.createBuffer({ size, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC })
    const mapped = this.device.createBuffer({ size, usage: usage | GPUBufferUsage.MAP_READ })
    const commands = this.device.createCommandEncoder()
    commands.resolveQuerySet(this.moments, 0, 2 * this.names.length, resolved, 0)
    commands.copyBufferToBuffer(resolved, 0, mapped, 0, size)
    this.device.queue.submit([commands.finish()])
    await mapped.mapAsync(GPUMapMode.READ)
    const nanoseconds = new BigUint64Array(mapped.getMappedRange())
    const kernels = new Map<string, Kernel>()
    for (const [i, name] of this.names.entries()) {
      const kernel = kernels.get(name) ?? { name, dispatches: 0, ms: 0 }
      kernel.dispatches++
      kernel.ms += Number(nanoseconds[2 * i + 1]! - nanoseconds[2 * i]!) / 1e6
      kernels.set(name, kernel)
    }
    for (const used of [resolved, mapped, this.moments]) used.destroy()
    return [...kernels.values()]
  }

  private pass(begin: (descriptor: GPUComputePassDescriptor) => GPUComputePassEncoder): GPUComputePassEncoder {
    let pipeline: GPUComputePipeline | undefined
    let group: GPUBindGroup | undefined
    const pass = {
      setPipeline: (next: GPUComputePipeline) => (pipeline = next),
      setBindGroup: (_: number, next: GPUBindGroup) => (group = next),
      dispatchWorkgroups: (x: number, y: number, z: number) => {
        if (this.names.length === this.most) throw new Error(`a list of more than ${this.most} dispatches`)
        const at = 2 * this.names.length
        const alone = begin({ timestampWrites: { querySet: this.moments, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 } })
        alone.setPipeline(pipeline!)
        alone.setBindGroup(0, group!)
        alone.dispatchWorkgroups(x, y, z)
        alone.end()
        this.names.push(pipeline!.label)
      },
      end: () => {},
    }
    return pass as unknown as GPUComputePassEncoder
  }
}

function bytes(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))
}

function text(data: Uint8Array): string {
  let characters = ''
  for (let i = 0; i < data.length; i += 8192) characters += String.fromCharCode(...data.subarray(i, i + 8192))
  return btoa(characters)
}
