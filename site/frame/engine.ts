// The frame's end of the two wires: the port to the outer document, and the worker that uses what comes in.
import {
  type FromFrame,
  type FromWorker,
  type GpuTrouble,
  type Hello,
  type Manifest,
  type Progress,
  type Result,
  type Serving,
  type ToFrame,
  type ToWorker,
  type Witness,
} from '../protocol.js'
import { Gpus } from './gpus.js'

export interface Answer {
  result: Result
  /** What the module took. */
  ms: number
}

export interface ModelState {
  name: string
  title: string
  question: string
  encoder: boolean
  state: 'absent' | 'loading' | 'failed' | 'ready' | 'unusable'
  /** Why it is unusable. */
  reason?: string
  /** What it computes on, where it needs a device. */
  serving?: Serving
  /** Its device died, and it is being loaded onto another. */
  lost?: boolean
}

/** A note that waits for its answer. */
interface Call {
  model: number
  text: string
  explain: number
  progress(progress: Progress): void
  resolve(answer: Answer): void
  reject(error: Error): void
  /** Its device died over it once. */
  lost?: boolean
  /** It waits for the model to be back. */
  waits?: boolean
}

/** The module would not answer for this note. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

/** The worker died over this note; a fresh one is being started where that makes sense. */
export class Stopped extends Error {
  constructor() {
    super('The classifier stopped while reading this note and is starting afresh. Your note is still here.')
  }
}

/** A later note took this one's place. */
export class Cancelled extends Error {}

export function startWorker(script: string): Worker {
  const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }))
  const worker = new Worker(url)
  URL.revokeObjectURL(url)
  return worker
}

/** Fires "change" whenever a field has changed, and "fed" whenever a shard has been passed on. */
export class Engine extends EventTarget {
  readonly models: ModelState[]
  witness: Witness = { requests: [], ready: false, offline: 'pending' }
  /** The worker died before it could classify: only the reader starts another. */
  broken = false

  private worker: Worker | undefined
  /** Those of the worker. */
  private gpus: Gpus | undefined
  private readonly manifests = new Map<number, Uint8Array>()
  private readonly waiting = new Map<number, Call>()
  private nextId = 1
  /** The model last classified with: the one to have back first after a crash. */
  private used = 0

  constructor(
    readonly hello: Hello,
    private readonly port: MessagePort,
    worker: Worker,
    private readonly another: () => Worker,
  ) {
    super()
    this.models = hello.models.map((model, index) => ({ ...model, state: index === 0 ? 'loading' : 'absent' }))
    this.employ(worker)
    port.onmessage = ({ data }: MessageEvent<ToFrame>) => this.hearOuter(data)
  }

  load(model: number): void {
    const state = this.models[model]
    if (state === undefined || state.state !== 'absent') return
    state.state = 'loading'
    this.tellOuter({ kind: 'load', model })
    this.changed()
  }

  /** Asks for everything anew after the worker died. */
  restart(model: number): void {
    if (this.broken) for (const each of this.models) each.state = 'absent'
    this.broken = false
    this.forgetModels(model)
    this.employ(this.another())
    this.tellOuter({ kind: 'restart', model })
    this.changed()
  }

  /** Answers a note, and says how far it is with a long one. */
  classify(model: number, text: string, explain: number, progress: (progress: Progress) => void): Promise<Answer> {
    const id = this.nextId++
    this.used = model
    return new Promise((resolve, reject) => {
      if (this.worker === undefined) return reject(new Stopped())
      this.waiting.set(id, { model, text, explain, progress, resolve, reject })
      this.tellWorker({ kind: 'classify', id, model, text, explain })
    })
  }

  /** Drops the notes that wait for an answer, where they can be: a short one is sooner done than dropped. */
  cancel(): void {
    for (const [id, call] of this.waiting) {
      if (call.waits) this.take(id)?.reject(new Cancelled())
      else this.tellWorker({ kind: 'cancel', id })
    }
  }

  hasManifest(model: number): boolean {
    return this.manifests.has(model)
  }

  manifest(model: number): Manifest | undefined {
    const bytes = this.manifests.get(model)
    return bytes && (JSON.parse(new TextDecoder().decode(bytes)) as Manifest)
  }

  private hearOuter(message: ToFrame): void {
    switch (message.kind) {
      case 'kernels':
        this.gpus!.take(message.bytes, this.hello.wish.device === 'webgpu')
        this.tellWorker({ ...message, wish: this.hello.wish, gpus: navigator.gpu !== undefined }, [message.bytes])
        break
      case 'load':
        this.models[message.model]!.state = message.state
        if (message.state === 'failed') this.giveUp(message.model)
        this.changed()
        break
      case 'witness':
        this.witness = message.witness
        this.changed()
        break
      case 'manifest':
        this.manifests.set(message.model, new Uint8Array(message.bytes.slice(0)))
        this.tellWorker({ ...message, encoder: this.models[message.model]!.encoder }, [message.bytes])
        this.changed()
        break
      case 'module':
        this.tellWorker(message, [message.bytes])
        break
      case 'crossover':
        this.tellWorker(message)
        break
      case 'shard':
        this.tellWorker(message, [message.bytes])
        this.dispatchEvent(new Event('fed'))
    }
  }

  private hearWorker(message: FromWorker): void {
    if ('gpu' in message) return this.gpus!.hear(message)
    switch (message.kind) {
      case 'ready':
        this.ready(message)
        break
      case 'crossover':
        this.tellOuter(message)
        break
      case 'serving':
        this.models[message.model]!.serving = message.serving
        this.changed()
        break
      case 'unusable':
        Object.assign(this.models[message.model]!, { state: 'unusable', reason: message.message + advice(message.code) })
        this.giveUp(message.model)
        this.changed()
        break
      case 'progress':
        this.waiting.get(message.id)?.progress(message.progress)
        break
      case 'lost':
        this.lost(message)
        break
      case 'stopped':
        this.stopped()
        break
      default:
        this.settle(message)
    }
  }

  private ready({ model, serving }: Extract<FromWorker, { kind: 'ready' }>): void {
    const state = this.models[model]!
    this.broken = false
    state.state = 'ready'
    delete state.reason
    delete state.lost
    if (serving !== undefined) state.serving = serving
    if (!performance.getEntriesByName('bedside:model').length) performance.mark('bedside:model')
    this.tellOuter({ kind: 'ready', model })
    for (const [id, call] of this.waiting) {
      if (call.model !== model || !call.waits) continue
      const { text, explain } = call
      call.waits = false
      this.tellWorker({ kind: 'classify', id, model, text, explain })
    }
    this.changed()
  }

  /** Loads the model onto another device and reads the note again: once, for the note may be what kills devices. */
  private lost({ id, model }: Extract<FromWorker, { kind: 'lost' }>): void {
    const call = this.waiting.get(id)
    if (call?.lost) this.take(id)!.reject(deviceLost('twice'))
    else if (call !== undefined) call.lost = call.waits = true
    Object.assign(this.models[model]!, { state: 'loading', lost: true })
    this.tellOuter({ kind: 'load', model })
    this.changed()
  }

  /** Answers the notes that wait for a model to be back which will not be. */
  private giveUp(model: number): void {
    delete this.models[model]!.lost
    for (const [id, call] of this.waiting) {
      if (call.model === model && call.waits) this.take(id)!.reject(deviceLost('and could not be loaded again'))
    }
  }

  private settle(message: Extract<FromWorker, { kind: 'result' | 'refused' }>): void {
    const behind = this.waiting.get(message.id)
    if (message.kind === 'refused' && message.code === 'not-ready' && behind && this.models[behind.model]!.lost) {
      behind.waits = true // the device died over the note before it
      return
    }
    const call = this.take(message.id)
    if (message.kind === 'result') call?.resolve({ result: message.result, ms: message.ms })
    else call?.reject(message.code === 'cancelled' ? new Cancelled() : new Refused(message.code, message.message))
  }

  private take(id: number): Call | undefined {
    const call = this.waiting.get(id)
    this.waiting.delete(id)
    return call
  }

  private employ(worker: Worker): void {
    this.worker?.terminate()
    this.worker = worker
    this.gpus?.close()
    this.gpus = new Gpus((message, transfer) => this.tellWorker(message, transfer), this.suspicion())
    this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.hearWorker(data)
    this.worker.onerror = (event) => {
      event.preventDefault() // keeps it out of the console
      this.stopped()
    }
  }

  /** Why the next worker gets no GPU: the one before had trouble with it, or may have died of it. */
  private suspicion(): GpuTrouble | undefined {
    const troubles = this.models.map(({ serving }) => serving?.without)
    return troubles.find((trouble) => trouble !== undefined) ?? this.gpus?.trouble ?? (this.gpus?.used ? 'suspected' : undefined)
  }

  private stopped(): void {
    if (this.worker === undefined) return
    this.worker.terminate()
    this.worker = undefined
    const lost = [...this.waiting.values()]
    this.waiting.clear()
    for (const model of this.models) {
      if (model.state !== 'loading') continue
      // Where no note can have been the cause, trying the model again would only bring the next worker down.
      if (lost.length > 0) model.state = 'absent'
      else Object.assign(model, { state: 'unusable', reason: 'the classifier stopped while loading it.' })
    }
    if (this.models[this.used]!.state === 'ready') this.restart(this.used)
    else {
      this.broken = true
      this.changed()
    }
    for (const call of lost) call.reject(new Stopped())
  }

  private forgetModels(loading: number): void {
    for (const [index, model] of this.models.entries()) {
      if (model.state !== 'unusable') model.state = index === loading ? 'loading' : 'absent'
      delete model.lost
    }
  }

  private tellOuter(message: FromFrame): void {
    this.port.postMessage(message)
  }

  private tellWorker(message: ToWorker, transfer: Transferable[] = []): void {
    this.worker?.postMessage(message, transfer)
  }

  private changed(): void {
    this.dispatchEvent(new Event('change'))
  }
}

function advice(code: string): string {
  return code === 'out-of-memory' ? '. Closing other tabs may help, or a smaller model.' : ''
}

function deviceLost(how: string): Refused {
  return new Refused('device-lost', `The classifier broke down over this note, ${how}. Your note is still here.`)
}
