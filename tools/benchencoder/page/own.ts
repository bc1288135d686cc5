import { Gpus } from '../../../site/frame/gpus.js'
import { fetchPinned } from '../../../site/outer/pinned.js'
import type { DeviceName, FromWorker, Pinned, ToWorker, Wish } from '../../../site/protocol.js'
import { count, taken } from './asked.js'
import type { Answer, Engine, Note, Opening } from './engine.js'

/** What a page with one model fetches, by model; the server writes it. */
export interface Release {
  module: Pinned
  kernels: Pinned
  manifest: Pinned
  shards: Pinned[]
}
declare global {
  const releases: Record<string, Release>
}

const LANES = 6 // shards on their way at a time, as the outer document has them
const MODEL = 0
const WEIGHTS = 1 << 16 // bytes that no note is written in
const SIGN = 100 // milliseconds between signs of life of a GPU, which it need not give here: a note that the processor took over tells nothing
const WAIT = Symbol('wait for the next')

/** Bedside: the site's own worker, fed with files of checked hashes as the site feeds it. */
export class Own implements Engine {
  private readonly worker = new Worker('/own-worker.js')
  private readonly gpus = new Gpus((message, transfer) => {
    // It works first on its pipelines, and only then on notes.
    if (message.kind === 'gpu-working' && this.pipelines > 0) {
      this.pipelines--
      this.compiled = performance.now()
    }
    this.worker.postMessage(message, transfer)
  })
  /** When the GPU had the last of the weights, and when its last pipeline. */
  private written = 0
  private pipelines = 0
  private compiled = 0
  private heard: (message: FromWorker) => void = () => {}
  private failed: (error: Error) => void = () => {}
  private calls = 0
  private readonly signs = setInterval(() => this.tell({ kind: 'gpu-working', gpu: 1 }), SIGN)

  /** Without a device, it chooses as the site does. */
  constructor(private readonly device?: DeviceName) {
    this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if ('gpu' in data && data.kind === 'gpu-write' && data.data.byteLength > WEIGHTS) this.written = performance.now()
      if ('gpu' in data && data.kind === 'gpu-pipeline') this.pipelines++
      if ('gpu' in data) this.gpus.hear(data)
      else this.heard(data)
    }
    this.worker.onerror = (event) => this.failed(new Error(event.message || 'the worker did not start'))
  }

  async open(model: string, threads: number): Promise<Opening> {
    if (this.device === 'webgpu') count()
    const began = performance.now()
    const release = releases[model]
    if (release === undefined) throw new Error(`no model ${model}`)
    const served = this.hear((message) => {
      if (message.kind !== 'ready' && message.kind !== 'serving') return undefined
      // A GPU serves a little later than the processor.
      if (this.device === 'webgpu' && message.serving?.device !== this.device && message.serving?.without === undefined) return WAIT
      return message.serving
    })
    const [module, kernels, manifest] = [release.module, release.kernels, release.manifest].map(load)
    const wish: Wish = { threads, ...(this.device && { device: this.device }) }
    const opened = (async () => {
      if (this.device === 'webgpu') this.gpus.take(await kernels!, true)
      this.tell({ kind: 'module', bytes: await module! })
      this.tell({ kind: 'kernels', bytes: await kernels!, wish })
      this.tell({ kind: 'manifest', model: MODEL, encoder: true, bytes: await manifest! })
    })()
    await this.handIn(release.shards, opened)
    const serving = await served
    if (this.device && serving?.device !== this.device) throw new Error(`serves on ${serving?.device}: ${serving?.without}`)
    if (serving?.threads !== threads) throw new Error(`${serving?.threads} threads serve, not ${threads}`)
    return { ready: performance.now() - began, device: serving.device }
  }

  async run(note: Note): Promise<Answer> {
    const result = this.hear((message) => (message.kind === 'result' ? message : undefined))
    taken()
    this.tell({ kind: 'classify', id: ++this.calls, model: MODEL, text: note.text, explain: 0 })
    const { result: answer, ms } = await result
    const tokens = note.ids.length - 2 // [CLS] and [SEP] are not of the note
    if (answer.tokens !== tokens) throw new Error(`the note was read as ${answer.tokens} tokens, not ${tokens}`)
    const logits: number[] = []
    for (const { index, logit } of answer.labels) logits[index] = logit
    const asked = taken()
    return { ms, logits, ...(asked && { asked }) }
  }

  /** Milliseconds that pipelines took longer than weights to be there. */
  get late(): number {
    return Math.max(0, this.compiled - this.written)
  }

  close(): void {
    clearInterval(this.signs)
    this.worker.terminate()
    this.gpus.close()
  }

  private async handIn(shards: Pinned[], opened: Promise<unknown>): Promise<void> {
    const queue = shards.entries()
    const lane = async () => {
      for (const [shard, file] of queue) {
        const bytes = await load(file)
        await opened
        this.tell({ kind: 'shard', model: MODEL, shard, bytes })
      }
    }
    await Promise.all(Array.from({ length: LANES }, lane))
  }

  /** Waits for what is picked of messages; one that nothing is picked of, but progress, is an error. */
  private hear<T>(pick: (message: FromWorker) => T | typeof WAIT | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      this.failed = reject
      this.heard = (message) => {
        const picked = pick(message)
        if (picked === undefined && message.kind !== 'progress') reject(new Error(JSON.stringify(message)))
        else if (picked !== undefined && picked !== WAIT) resolve(picked as T)
      }
    })
  }

  private tell(message: ToWorker): void {
    this.worker.postMessage(message, 'bytes' in message ? [message.bytes] : [])
  }
}

/** Milliseconds to fetch a model's files and check their hashes, with nobody to hand them to. */
export async function fetchAll(model: string): Promise<number> {
  const began = performance.now()
  const { module, kernels, manifest, shards } = releases[model]!
  const queue = [module, kernels, manifest, ...shards].values()
  const lane = async () => {
    for (const file of queue) await load(file)
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  return performance.now() - began
}

function load(file: Pinned): Promise<ArrayBuffer> {
  return fetchPinned(file, 'default', () => {})
}
