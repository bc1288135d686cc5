// The worker: runs the module, one message after another.
import type { FromGpu, FromWorker, GpuTrouble, Result, Serving, ToWorker } from '../protocol.js'
import { release } from '../release.js'
import { contest, tokensFrom } from './contest.js'
import { Devices } from './devices.js'
import { GpuDevices } from './gpu.js'
import { type Job, type LoadingModel, Module, type OpenModel, Refusal } from './module.js'
import { Spare } from './spare.js'
import { turnOver } from './turn.js'
import { Twin } from './twin.js'

declare const self: DedicatedWorkerGlobalScope

const CALM = 1000 // milliseconds between a model being ready and its being copied: the first note comes before

type Command = Exclude<ToWorker, FromGpu>

interface Open {
  model: OpenModel
  serving: Serving | undefined
  /** The model's copy on a GPU, where it has one. */
  twin: Twin | undefined
}

interface Loading {
  model: LoadingModel
  serving: Serving | undefined
  /** What becomes its copy, where a GPU was asked for: nothing waits for that. */
  twin: Promise<Twin> | undefined
}

let module: Module | undefined
const LISTED = 100 // labels, of models that have more; those that are asserted besides

const devices = new Devices()
const gpus = new GpuDevices((message, transfer) => self.postMessage(message, transfer))
/** Why no model gets a GPU any more: one was lost, and what comes after it might fare likewise. */
let distrust: GpuTrouble | undefined
/** By model, what makes a copy of it, until a GPU has been tried or is known not to be worth it. */
const spares = new Map<number, Spare>()
const loading = new Map<number, Loading>()
const open = new Map<number, Open>()
/** Notes whose answer is not wanted any more. */
const cancelled = new Set<number>()
let turn: Promise<void> = Promise.resolve()

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if ('gpu' in data) return gpus.hear(data) // whoever waits for it has the turn
  if (data.kind === 'cancel') cancelled.add(data.id)
  turn = turn.then(() => handle(data)).catch(() => post({ kind: 'stopped' }))
}

/** Of what goes on beside the messages: a refusal has its consequences with the next note, and anything else is the module's end. */
function failed(error: unknown): void {
  if (!(error instanceof Refusal)) post({ kind: 'stopped' })
}

async function handle(message: Command): Promise<void> {
  switch (message.kind) {
    case 'module':
      module = await Module.start(message.bytes)
      return
    case 'kernels':
      devices.take(message.bytes, message.wish, message.gpus === true)
      return
    case 'cancel':
      cancelled.delete(message.id) // its note came before it
      return
    case 'crossover':
      spares.get(message.model)?.hear(message.crossover)
      return
  }
  try {
    if (message.kind === 'classify') await classify(message)
    else if (module !== undefined) await load(module, message) // without it, this was meant for a worker before
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

async function load(module: Module, message: Extract<Command, { kind: 'manifest' | 'shard' }>): Promise<void> {
  if (open.has(message.model)) return
  const bytes = new Uint8Array(message.bytes)
  if (message.kind === 'manifest') {
    drop(message.model)
    const device = message.encoder ? devices.create() : undefined
    const serving = message.encoder ? (device?.serving ?? { device: 'reference' as const, threads: 1 }) : undefined
    const arriving: Loading = { model: module.open(bytes, device), serving, twin: undefined }
    loading.set(message.model, arriving)
    if (!message.encoder || distrust !== undefined) return
    if (devices.gpu === 'asked') {
      arriving.twin = Twin.open(module, bytes, gpus, (ended) => changed(message.model, ended))
      arriving.twin.catch(failed)
    }
    if (devices.gpu === 'measured') spares.set(message.model, new Spare(bytes))
    return
  }
  const arriving = loading.get(message.model)
  const complete = arriving?.model.add(message.shard, bytes)
  if (arriving?.twin !== undefined) copyShard(arriving, message.shard, bytes)
  else if (!spares.get(message.model)?.keep(message.shard, bytes)) release(message.bytes)
  if (!arriving || !complete) return
  const { serving, twin } = arriving
  const model = arriving.model.finish()
  loading.delete(message.model)
  const opened = { model, serving, twin: undefined }
  open.set(message.model, opened)
  const now = servingOf(message.model)
  post({ kind: 'ready', model: message.model, ...(now && { serving: now }) })
  if (twin !== undefined) void join(message.model, opened, twin).catch(failed)
  void compete(module, message.model).catch(failed)
}

function copyShard(arriving: Loading, shard: number, bytes: Uint8Array<ArrayBuffer>): void {
  arriving.twin = arriving.twin!.then((twin) => {
    twin.add(shard, bytes)
    release(bytes.buffer)
    return twin
  })
  arriving.twin.catch(failed)
}

/** Has the copy serve that was asked for. */
async function join(index: number, opened: Open, arriving: Promise<Twin>): Promise<void> {
  const twin = await arriving
  await twin.finish()
  if (open.get(index) !== opened) return twin.close()
  opened.twin = twin
  twin.serve()
  changed(index, twin.ended)
}

/** Copies a model that is ready onto a GPU, and has it serve the notes that it reads sooner there. */
async function compete(module: Module, index: number): Promise<void> {
  const [spare, competing] = [spares.get(index), open.get(index)]
  if (spare === undefined || competing === undefined) return
  const known = await spare.crossover
  await new Promise((resolve) => setTimeout(resolve, CALM))
  await idle()
  if (spares.get(index) === spare) spares.delete(index)
  if (known === 'never' || distrust !== undefined || open.get(index) !== competing) return spare.drop()
  const twin = await spare.copy(module, gpus, idle, (ended) => changed(index, ended))
  twin.from = Infinity // until it has won
  try {
    const crossover = known ?? (await contest(competing.model, twin, spare.window, alone))
    if (known === undefined && !mayPass(twin.ended)) post({ kind: 'crossover', model: index, crossover })
    twin.from = tokensFrom(crossover, spare.window)
  } finally {
    if (twin.from === Infinity || open.get(index) !== competing) twin.close()
  }
  if (twin.ended !== undefined) return
  competing.twin = twin
  twin.serve()
  changed(index, undefined)
}

/** Whether a trouble with a GPU may be over by the next visit. */
function mayPass(trouble: GpuTrouble | undefined): boolean {
  return trouble !== undefined && trouble !== 'shader' && trouble !== 'silent'
}

/** Resolves when no message is being handled, and none has arrived. */
async function idle(): Promise<void> {
  for (let last: Promise<void> | undefined; last !== turn; ) {
    last = turn
    await last
    await turnOver()
  }
}

/** Makes a trial until no message has come between. */
async function alone(trial: () => Promise<number>): Promise<number> {
  for (;;) {
    await idle()
    const before = turn
    const answer = await trial()
    await turnOver()
    if (turn === before) return answer
  }
}

/** What a model that is open computes on now. */
function servingOf(model: number): Serving | undefined {
  const { serving, twin } = open.get(model) ?? {}
  if (serving === undefined) return serving
  if (twin === undefined) return { ...serving, ...(devices.gpu === 'asked' && distrust && { without: distrust }) }
  if (twin.trouble !== undefined) return { ...serving, without: twin.trouble }
  return { device: 'webgpu', threads: 1, ...(twin.from > 0 && { from: twin.from }) }
}

/** Says so when what a model computes on has changed, perhaps because a GPU ended. */
function changed(model: number, ended: GpuTrouble | undefined): void {
  if (ended === 'lost' || ended === 'silent' || ended === 'suspected') distrust ??= ended
  const serving = servingOf(model)
  if (serving !== undefined) post({ kind: 'serving', model, serving })
}

/** Frees what a load that will not be finished has reserved. */
function drop(model: number): void {
  spares.get(model)?.drop()
  spares.delete(model)
  const arriving = loading.get(model)
  loading.delete(model)
  arriving?.model.drop()
  arriving?.twin?.then((twin) => twin.close(), () => {})
}

/** Frees a model whose device is gone. */
function lose(model: number): void {
  const lost = open.get(model)
  open.delete(model)
  lost?.model.close()
  lost?.twin?.close()
  devices.lost()
}

async function classify(message: Extract<Command, { kind: 'classify' }>): Promise<void> {
  const { model, twin } = open.get(message.model) ?? {}
  if (model === undefined) throw new Refusal('not-ready', 'The model is not loaded yet.')
  if (cancelled.has(message.id)) throw cancellation()
  const { id, text, explain } = message
  const started = performance.now()
  const options = { explain, labels: LISTED, offsets: 'utf16' } as const
  const job = model.begin(text, options)
  try {
    const onGpu = twin && job.tokens >= twin.from ? await twin.read(text, options, (...given) => read(id, ...given)) : undefined
    const result = onGpu ?? (await read(id, job, () => job.step()))!
    post({ kind: 'result', id, result, ms: performance.now() - started })
  } finally {
    job.cancel()
  }
}

/** Reads a note part by part, and listens in between; undefined where a part has ended without an answer. */
async function read(id: number, job: Job, step: () => boolean | undefined): Promise<Result | undefined> {
  for (let done = step(); done !== true; done = step()) {
    if (done === undefined) return undefined
    if (job.pending) await job.settled()
    else {
      post({ kind: 'progress', id, progress: job.progress! })
      await turnOver()
    }
    if (cancelled.has(id)) throw cancellation()
  }
  return job.result
}

function cancellation(): Refusal {
  return new Refusal('cancelled', 'The note was dropped for a later one.')
}

function post(message: FromWorker): void {
  self.postMessage(message)
}
