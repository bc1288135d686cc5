// The GPUs of the page's worker. It can have none of its own, so what it asks of one comes here as messages.
import type { FromGpu, GpuLimits, GpuTrouble, ToGpu } from '../protocol.js'
import { release } from '../release.js'
import { Gpu, NoGpu, type Shaders } from './gpu.js'

/** A GPU, and the end of what it was told so far: commands take effect one after another. */
interface Served {
  gpu: Gpu
  turn: Promise<void>
}

type Command = Exclude<ToGpu, { kind: 'gpu-open' | 'gpu-close' }>

const LARGE = 1 << 16 // bytes of a message from which it is worth giving their memory back at once

export class Gpus {
  /** One of them was open. */
  used = false
  /** What befell one that was open; the worker may die before it says so. */
  trouble: GpuTrouble | undefined
  private readonly open = new Map<number, Served>()
  private shaders: Shaders = new Map()
  /** A GPU that compiles before it is asked for. */
  private early: Promise<Gpu> | undefined
  private closed = false

  /** With `refused`, every GPU is, for that reason. */
  constructor(
    private readonly answer: (message: FromGpu, transfer: Transferable[]) => void,
    private readonly refused?: GpuTrouble,
  ) {}

  /** Takes the shaders out of kernels.wasm of the release, see tools/page/kernels.go. With `soon`, a GPU will be wanted. */
  take(pack: ArrayBuffer, soon: boolean): void {
    if (navigator.gpu === undefined) return
    const module = new WebAssembly.Module(pack)
    const decoder = new TextDecoder()
    const section = (name: string) => {
      const [text] = WebAssembly.Module.customSections(module, name)
      return text && decoder.decode(text)
    }
    this.shaders = { get: (name) => section(`${name}.wgsl`) }
    if (!soon || this.refused !== undefined) return
    this.early ??= Gpu.open(this.shaders).then((gpu) => {
      for (const name of section(`${kind(gpu.limits)}.pipelines`)?.split('\n') ?? []) gpu.expect(name)
      return gpu
    })
    this.early.catch(() => {}) // whoever asks for it hears
  }

  hear(command: ToGpu): void {
    if (command.kind === 'gpu-open') return void this.start(command.gpu)
    const served = this.open.get(command.gpu)
    if (served === undefined) return // it was lost, and the worker has yet to hear of it
    if (command.kind === 'gpu-close') {
      this.open.delete(command.gpu)
      served.gpu.close()
      return
    }
    served.turn = served.turn.then(() => this.obey(served.gpu, command)).catch((error) => served.gpu.fail(error))
  }

  /** Closes all of them. */
  close(): void {
    this.closed = true
    for (const { gpu } of this.open.values()) gpu.close()
    this.open.clear()
    this.early?.then((gpu) => gpu.close(), () => {})
  }

  private async start(number: number): Promise<void> {
    const lose = (trouble: GpuTrouble) => this.answer({ kind: 'gpu-lost', gpu: number, trouble }, [])
    if (this.refused !== undefined) return lose(this.refused)
    let gpu: Gpu
    try {
      const { early } = this
      this.early = undefined
      gpu = await (early ?? Gpu.open(this.shaders))
    } catch (error) {
      return lose(error instanceof NoGpu ? 'absent' : 'refused')
    }
    if (this.closed) return gpu.close()
    this.used = true
    this.open.set(number, { gpu, turn: Promise.resolve() })
    gpu.working = () => this.answer({ kind: 'gpu-working', gpu: number }, [])
    void gpu.lost.then(() => {
      if (!this.open.delete(number)) return // it was closed
      gpu.close()
      this.trouble = gpu.trouble
      lose(gpu.trouble!)
    })
    this.answer({ kind: 'gpu-opened', gpu: number, limits: gpu.limits }, [])
  }

  private async obey(gpu: Gpu, command: Command): Promise<void> {
    switch (command.kind) {
      case 'gpu-reserve':
        return gpu.reserve(command.end)
      case 'gpu-pipeline':
        return gpu.pipeline(command.name)
      case 'gpu-record':
        return gpu.record(new Uint32Array(command.list))
      case 'gpu-write':
        gpu.write(command.to, new Uint8Array(command.data))
        if (command.data.byteLength >= LARGE) release(command.data)
        return
      case 'gpu-submit':
        await gpu.ready()
        return gpu.submit(command.list, new Uint8Array(command.params))
      case 'gpu-settle':
        return this.settle(gpu, command)
    }
  }

  private async settle(gpu: Gpu, { gpu: number, reads }: Extract<ToGpu, { kind: 'gpu-settle' }>): Promise<void> {
    await gpu.ready()
    for (const { from, length } of reads) gpu.read(from, length)
    const answers = (await gpu.flush())?.map(({ buffer }) => buffer as ArrayBuffer)
    if (answers !== undefined) this.answer({ kind: 'gpu-settled', gpu: number, answers }, answers)
  }
}

/** The kind of adapter, by its letters: kernels/webgpu/ABI.md. */
function kind({ packed, quads, workgroup }: GpuLimits): string {
  return (packed ? 'p' : '') + (quads ? 'q' : '') + (workgroup > 0 ? 'w' : '')
}
