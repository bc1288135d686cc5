// The frame's end of the two wires: the port to the outer document, and the worker that uses what comes in.
import type { FromFrame, FromWorker, Hello, Manifest, Result, ToFrame, ToWorker, Witness } from '../protocol.js'

export interface Answer {
  result: Result
  /** What the module took. */
  ms: number
}

export interface ModelState {
  name: string
  title: string
  question: string
  state: 'absent' | 'loading' | 'failed' | 'ready' | 'unusable'
  /** Why it is unusable. */
  reason?: string
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
  /** The worker has been given the module; it is given one only. */
  private hasModule = false
  private readonly manifests = new Map<number, Uint8Array>()
  private readonly waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>()
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
    this.tellOuter({ kind: 'restart', model })
    this.changed()
  }

  classify(model: number, text: string, explain: number): Promise<Answer> {
    const id = this.nextId++
    this.used = model
    return new Promise((resolve, reject) => {
      if (this.worker === undefined) return reject(new Stopped())
      this.waiting.set(id, { resolve, reject })
      this.tellWorker({ kind: 'classify', id, model, text, explain })
    })
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
      case 'module':
        if (this.worker === undefined || this.hasModule) this.employ(this.another())
        this.hasModule = true
        this.tellWorker(message, [message.bytes])
        break
      case 'load':
        this.models[message.model]!.state = message.state
        this.changed()
        break
      case 'witness':
        this.witness = message.witness
        this.changed()
        break
      case 'manifest':
        this.manifests.set(message.model, new Uint8Array(message.bytes.slice(0)))
        this.tellWorker(message, [message.bytes])
        this.changed()
        break
      default:
        this.tellWorker(message, [message.bytes])
        this.dispatchEvent(new Event('fed'))
    }
  }

  private hearWorker(message: FromWorker): void {
    switch (message.kind) {
      case 'ready':
        this.broken = false
        this.models[message.model]!.state = 'ready'
        delete this.models[message.model]!.reason
        this.tellOuter({ kind: 'ready', model: message.model })
        this.changed()
        break
      case 'unusable':
        Object.assign(this.models[message.model]!, { state: 'unusable', reason: message.message })
        this.changed()
        break
      case 'stopped':
        this.stopped()
        break
      default:
        this.settle(message)
    }
  }

  private settle(message: Extract<FromWorker, { kind: 'result' | 'refused' }>): void {
    const call = this.waiting.get(message.id)
    this.waiting.delete(message.id)
    if (message.kind === 'result') call?.resolve({ result: message.result, ms: message.ms })
    else call?.reject(new Refused(message.code, message.message))
  }

  private employ(worker: Worker): void {
    this.worker?.terminate()
    this.hasModule = false
    this.worker = worker
    this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.hearWorker(data)
    this.worker.onerror = (event) => {
      event.preventDefault() // keeps it out of the console
      this.stopped()
    }
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
