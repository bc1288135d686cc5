// A model's second copy, on a GPU. The first answers whatever this one does not, or not soon, so nothing that happens here is
// an error: it ends the copy or puts it aside, and says why.
import type { GpuTrouble, Result } from '../protocol.js'
import { GpuDevice, type GpuDevices } from './gpu.js'
import { type Job, type LoadingModel, type Module, type OpenModel, type Options, Refusal } from './module.js'

export class Twin {
  /** Why it serves no more. */
  ended: GpuTrouble | undefined
  /** Notes with fewer tokens are not for it. */
  from = 0
  private device: GpuDevice | undefined
  private loading: LoadingModel | undefined
  private model: OpenModel | undefined

  private constructor(private readonly changed: (ended: GpuTrouble | undefined) => void) {}

  /** Opens one, which may end at once; `changed` hears when it gets into trouble, which ends it or not, and out of it. */
  static async open(module: Module, manifest: Uint8Array, gpus: GpuDevices, changed: (ended: GpuTrouble | undefined) => void): Promise<Twin> {
    const twin = new Twin(changed)
    const device = await gpus.create()
    if (!(device instanceof GpuDevice)) {
      twin.ended = device
      return twin
    }
    twin.device = device
    device.changed = () => changed(undefined)
    void device.lost.then((trouble) => twin.end(trouble))
    twin.attempt(() => (twin.loading = module.open(manifest, device)))
    return twin
  }

  /** Why it does not serve, now or ever. */
  get trouble(): GpuTrouble | undefined {
    return this.ended ?? (this.device?.late ? 'silent' : undefined)
  }

  /** Copies one shard to where the plan wants it. */
  add(shard: number, bytes: Uint8Array): void {
    this.attempt(() => this.loading?.add(shard, bytes))
  }

  /** Ends the loading, and has the GPU read a first word: whatever it makes for a note is made then, or has failed. */
  async finish(): Promise<void> {
    this.attempt(() => {
      this.model = this.loading?.finish()
      this.loading = undefined
    })
    await this.device?.settled()
    await this.read('a', { explain: 0, offsets: 'utf16' }, readThrough)
  }

  /** From now on notes wait for it, and not for long. */
  serve(): void {
    if (this.device !== undefined) this.device.hurried = true
  }

  /** Reads a note as `read` does a job, whose step is undefined where this copy serves no more; so is the answer then. */
  async read(
    text: string,
    options: Options,
    read: (job: Job, step: () => boolean | undefined) => Promise<Result | undefined>,
  ): Promise<Result | undefined> {
    if (this.trouble !== undefined) return undefined
    const job = this.attempt(() => this.model?.begin(text, options))
    if (job === undefined) return undefined
    try {
      return await read(job, () => (this.trouble === undefined ? this.attempt(() => job.step()) : undefined))
    } finally {
      this.attempt(() => job.cancel())
    }
  }

  close(): void {
    if (this.ended !== undefined) return
    this.ended = 'lost'
    this.free()
  }

  private attempt<T>(action: () => T): T | undefined {
    if (this.ended !== undefined) return undefined
    try {
      return action()
    } catch (error) {
      if (!(error instanceof Refusal)) throw error // the module died
      this.end(error.code === 'out-of-memory' ? 'memory' : 'lost')
      return undefined
    }
  }

  private end(trouble: GpuTrouble): void {
    if (this.ended !== undefined) return
    this.ended = trouble
    this.free()
    this.changed(trouble)
  }

  private free(): void {
    this.loading?.drop()
    this.model?.close()
  }
}

/** Reads a note to its end and listens to nobody. */
export async function readThrough(job: Job, step: () => boolean | undefined): Promise<Result | undefined> {
  while (step() === false) await job.settled()
  return job.result
}
