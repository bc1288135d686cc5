// The worker: runs the module, one message after another.
import type { FromWorker, ToWorker } from '../protocol.js'
import { Module, Refusal, type LoadingModel } from './module.js'

declare const self: DedicatedWorkerGlobalScope

let module: Module | undefined
const loading = new Map<number, LoadingModel>()
const handles = new Map<number, number>()
let turn: Promise<void> = Promise.resolve()

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  turn = turn.then(() => handle(data)).catch(() => post({ kind: 'stopped' }))
}

async function handle(message: ToWorker): Promise<void> {
  if (message.kind === 'module') {
    module = await Module.start(message.bytes)
    return
  }
  if (module === undefined) throw new Error('no module')
  try {
    if (message.kind === 'classify') classify(module, message)
    else load(module, message)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const { code, message: text } = error
    if (message.kind === 'classify') post({ kind: 'refused', id: message.id, code, message: text })
    else {
      drop(message.model)
      post({ kind: 'unusable', model: message.model, code, message: text })
    }
  }
}

function load(module: Module, message: Extract<ToWorker, { kind: 'manifest' | 'shard' }>): void {
  if (handles.has(message.model)) return
  if (message.kind === 'manifest') {
    drop(message.model)
    loading.set(message.model, module.open(new Uint8Array(message.bytes)))
    return
  }
  const model = loading.get(message.model)
  if (model === undefined || !model.add(message.shard, new Uint8Array(message.bytes))) return
  loading.delete(message.model)
  handles.set(message.model, model.finish())
  post({ kind: 'ready', model: message.model })
}

/** Frees what a load that will not be finished has reserved. */
function drop(model: number): void {
  loading.get(model)?.drop()
  loading.delete(model)
}

function classify(module: Module, message: Extract<ToWorker, { kind: 'classify' }>): void {
  const model = handles.get(message.model)
  if (model === undefined) throw new Refusal('not-ready', 'The model is not loaded yet.')
  const answer = module.classify(model, message.text, { explain: message.explain, offsets: 'utf16' })
  post({ kind: 'result', id: message.id, ...answer })
}

function post(message: FromWorker): void {
  self.postMessage(message)
}
