// A model's second copy, on a GPU. The first answers whatever this one does not, so nothing that happens here is an error:
// it ends the copy, and says why.
import type { GpuTrouble, Result } from '../protocol.js'
import { GpuDevice, type GpuDevices, LOADING } from './gpu.js'
import { type Job, type LoadingModel, type Module, type OpenModel, type Options, Refusal } from './module.js'

export class Twin {
  /** Why it serves no more. */
  trouble: GpuTrouble | undefined
  /** Notes with fewer tokens are not for it. */
  from = 0
  private device: GpuDevice | undefined
  private loading: LoadingModel | undefined
  private model: OpenModel | undefined

  private constructor(private readonly ended: () => void) {}

  /** Opens one, which may end at once; `ended` hears when it does. */
  static async open(module: Module, manifest: Uint8Array, gpus: GpuDevices, ended: () => void): Promise<Twin> {
    const twin = new Twin(ended)
    const device = await gpus.create()
    if (!(device instanceof GpuDevice)) {
      twin.trouble = device
      return twin
    }
    twin.device = device
    void device.lost.then((trouble) => twin.end(trouble))
    twin.attempt(() => (twin.loading = module.open(manifest, device)))
    return twin
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
    await this.device?.settled(LOADING)
    await this.read('a', { explain: 0, offsets: 'utf16' }, readThrough)
  }

  /** Reads a note as `read` does a job, whose step is undefined where this copy serves no more; so is the answer then. */
  async read(
    text: string,
    options: Options,
    read: (job: Job, step: () => boolean | undefined) => Promise<Result | undefined>,
  ): Promise<Result | undefined> {
    const job = this.attempt(() => this.model?.begin(text, options))
    if (job === undefined) return undefined
    try {
      return await read(job, () => this.attempt(() => job.step()))
    } finally {
      this.attempt(() => job.cancel())
    }
  }

  close(): void {
    this.end('lost')
  }

  private attempt<T>(action: () => T): T | undefined {
    if (this.trouble !== undefined) return undefined
    try {
      return action()
    } catch (error) {
      if (!(error instanceof Refusal)) throw error // the module died
      this.end(error.code === 'out-of-memory' ? 'memory' : 'lost')
      return undefined
    }
  }

  private end(trouble: GpuTrouble): void {
    if (this.trouble !== undefined) return
    this.trouble = trouble
    this.loading?.drop()
    this.model?.close()
    this.ended()
  }
}

/** Reads a note to its end and listens to nobody. */
export async function readThrough(job: Job, step: () => boolean | undefined): Promise<Result | undefined> {
  while (step() === false) await job.settled()
  return job.result
}
