// The worker: runs the module, one message after another.
import type { FromWorker, Serving, ToWorker } from '../protocol.js'
import { release } from '../release.js'
import { Devices } from './devices.js'
import { type Job, type LoadingModel, Module, type OpenModel, Refusal } from './module.js'
import { turnOver } from './turn.js'

declare const self: DedicatedWorkerGlobalScope

interface Open {
  model: OpenModel
  serving: Serving | undefined
}

interface Loading {
  model: LoadingModel
  serving: Serving | undefined
}

let module: Module | undefined
const devices = new Devices()
const loading = new Map<number, Loading>()
const open = new Map<number, Open>()
/** Notes whose answer is not wanted any more. */
const cancelled = new Set<number>()
let turn: Promise<void> = Promise.resolve()

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.kind === 'cancel') cancelled.add(data.id)
  turn = turn.then(() => handle(data)).catch(() => post({ kind: 'stopped' }))
}

async function handle(message: ToWorker): Promise<void> {
  switch (message.kind) {
    case 'module':
      module = await Module.start(message.bytes)
      return
    case 'kernels':
      devices.take(message.bytes, message.wish)
      return
    case 'cancel':
      cancelled.delete(message.id) // its note came before it
      return
  }
  try {
    if (message.kind === 'classify') await classify(message)
    else if (module !== undefined) load(module, message) // without it, this was meant for a worker before
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const { code, message: text } = error
    if (message.kind !== 'classify') {
      drop(message.model)
      post({ kind: 'unusable', model: message.model, code, message: text })
    } else if (code === 'device-lost') {
      lose(message.model)
      post({ kind: 'lost', id: message.id, model: message.model })
    } else post({ kind: 'refused', id: message.id, code, message: text })
  }
}

function load(module: Module, message: Extract<ToWorker, { kind: 'manifest' | 'shard' }>): void {
  if (open.has(message.model)) return
  const bytes = new Uint8Array(message.bytes)
  if (message.kind === 'manifest') {
    drop(message.model)
    const device = message.encoder ? devices.create() : undefined
    const serving = message.encoder ? (device?.serving ?? { device: 'reference' as const, threads: 1 }) : undefined
    loading.set(message.model, { model: module.open(bytes, device), serving })
    return
  }
  const arriving = loading.get(message.model)
  const complete = arriving?.model.add(message.shard, bytes)
  release(message.bytes)
  if (!arriving || !complete) return
  const { model, serving } = arriving
  const ready = model.finish()
  loading.delete(message.model)
  open.set(message.model, { model: ready, serving })
  post({ kind: 'ready', model: message.model, ...(serving && { serving }) })
}

/** Frees what a load that will not be finished has reserved. */
function drop(model: number): void {
  loading.get(model)?.model.drop()
  loading.delete(model)
}

/** Frees a model whose device is gone. */
function lose(model: number): void {
  open.get(model)?.model.close()
  open.delete(model)
  devices.lost()
}

async function classify(message: Extract<ToWorker, { kind: 'classify' }>): Promise<void> {
  const model = open.get(message.model)?.model
  if (model === undefined) throw new Refusal('not-ready', 'The model is not loaded yet.')
  if (cancelled.has(message.id)) throw cancellation()
  const job = model.begin(message.text, { explain: message.explain, offsets: 'utf16' })
  await read(job, message.id)
  post({ kind: 'result', id: message.id, result: job.result!, ms: job.ms })
}

/** Reads a note part by part, and listens in between. */
async function read(job: Job, id: number): Promise<void> {
  while (!job.step()) {
    post({ kind: 'progress', id, progress: job.progress! })
    await turnOver()
    if (!cancelled.has(id)) continue
    job.cancel()
    throw cancellation()
  }
}

function cancellation(): Refusal {
  return new Refusal('cancelled', 'The note was dropped for a later one.')
}

function post(message: FromWorker): void {
  self.postMessage(message)
}
