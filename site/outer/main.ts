// The outer document: fetches the release from its own origin, verifies it and hands it into the frame. It never sees a
// note: nothing but the words of FromFrame comes back.
import { DEVICES, MEASURED, MOST_THREADS, type FromFrame, type Hello, type Model, type Pinned, type Release, type Wish } from '../protocol.js'
import { Crossovers } from './crossovers.js'
import { Frame } from './frame.js'
import { kept, Library, total } from './library.js'
import { OfflineStore } from './offline.js'
import { Status } from './status.js'
import { Observer } from './witness.js'

const PATIENCE = 5000 // milliseconds that the requests for offline use may take
const CALM = 500 // milliseconds between being ready and storing for the next visit
const LANES = 4 // shards on their way at a time: enough to keep network, hashing and copying busy

const releaseText = document.getElementById('release')!.textContent!
const release = JSON.parse(releaseText) as Release
const status = new Status()
const library = new Library((bytes) => status.progress(bytes))
let frame: Frame | undefined
let opening: Promise<void> | undefined
/** Module and kernels on their way into the frame, or there. */
const runtime = new Map<'module' | 'kernels', Promise<void>>()
/** By model, what ends its being handed in, should it be handed in again meanwhile. */
const handing: AbortController[] = []
/** Shards that were handed in and not kept. */
const passed = new Set<Pinned>()
const wished = wish(new URLSearchParams(location.search))
const crossovers = new Crossovers(release.kernels?.sha256 ?? '', wished.device === MEASURED)
const observer = new Observer((witness) => frame?.send({ kind: 'witness', witness }))

performance.mark('bedside:outer')
void load(0, true)
let offline: OfflineStore | undefined

// A file dropped beside the frame would otherwise open in place of the page.
for (const type of ['dragover', 'drop']) addEventListener(type, (event) => event.preventDefault())

/** Loads a model, and the runtime anew where `fresh`, until it succeeds or the reader gives up trying `again`. */
async function load(model: number, fresh: boolean, again = false): Promise<void> {
  try {
    await attempt(model, fresh, again)
  } catch (error) {
    frame?.send({ kind: 'load', model, state: 'failed' })
    const reason = error instanceof Error ? error.message : String(error)
    status.fail(reason, () => void load(model, false, true))
  }
}

async function attempt(index: number, fresh: boolean, again: boolean): Promise<void> {
  if (!isSecureContext) {
    throw new Error('Browsers let this page work only over HTTPS, or on the very device that serves it (localhost).')
  }
  const model = release.models[index]!
  if (fresh) runtime.clear()
  const missing = runtimeFiles(model).filter(([kind]) => !runtime.has(kind))
  const first = [...missing.map(([, file]) => file), model.manifest]
  status.begin(total(first) + total(model.shards))
  library.want(first, again)
  frame?.send({ kind: 'load', model: index, state: 'loading' })
  for (const [kind, file] of missing) runtime.set(kind, handIn(kind, file))
  handing[index]?.abort()
  const current = (handing[index] = new AbortController())
  const opened = handInManifest(index)
  await all([opened, handInShards(index, again, opened, current)])
  if (!current.signal.aborted) status.delivered()
}

/** Waits for the end of all before it throws: what were still on its way could fail the next attempt. */
async function all(promises: Iterable<Promise<void>>): Promise<void> {
  for (const end of await Promise.allSettled(promises)) if (end.status === 'rejected') throw end.reason
}

function runtimeFiles(model: Model): ['module' | 'kernels', Pinned][] {
  const kernels = model.encoder ? release.kernels : undefined
  return [...(kernels ? [['kernels', kernels] as ['kernels', Pinned]] : []), ['module', release.module]]
}

async function handIn(kind: 'module' | 'kernels', file: Pinned): Promise<void> {
  try {
    await (opening ??= openFrame())
    frame!.send({ kind, bytes: await library.take(file) })
  } catch (error) {
    runtime.delete(kind)
    throw error
  }
}

async function handInManifest(index: number): Promise<void> {
  const manifest = library.take(release.models[index]!.manifest)
  await all([...runtime.values(), manifest.then(() => {})])
  frame!.send({ kind: 'manifest', model: index, bytes: await manifest })
  if (release.models[index]!.encoder) void tellCrossover(index)
}

/** Lets the frame measure whether a GPU is worth it, or says what it measured before. */
async function tellCrossover(model: number): Promise<void> {
  if (wished.device !== undefined && wished.device !== MEASURED) return
  frame!.send({ kind: 'crossover', model, crossover: await crossovers.get(release.models[model]!.manifest.sha256) })
}

/** Hands shards in as they arrive, in any order; no more are held here than are on their way. */
async function handInShards(index: number, again: boolean, opened: Promise<void>, current: AbortController): Promise<void> {
  const model = release.models[index]!
  const queue = model.shards.entries()
  const keep = kept(model)
  const lane = async () => {
    for (const [shard, file] of queue) {
      library.want([file], again)
      const bytes = await (keep ? library.take(file) : library.give(file))
      await opened
      if (current.signal.aborted) return
      frame!.send({ kind: 'shard', model: index, shard, bytes })
      if (!keep) passed.add(file)
    }
  }
  const failed = (error: unknown) => {
    current.abort()
    throw error
  }
  await all(Array.from({ length: LANES }, () => lane().catch(failed)))
}

async function openFrame(): Promise<void> {
  const html = JSON.parse(document.getElementById('frame')!.textContent!) as string
  const hello: Hello = {
    kind: 'hello',
    base: new URL('./', location.href).href,
    policy: document.querySelector<HTMLMetaElement>('meta[http-equiv="Content-Security-Policy"]')!.content,
    moduleSHA256: release.module.sha256,
    kernelsSHA256: release.kernels?.sha256,
    models: release.models.map(({ name, title, question, encoder }) => ({ name, title, question, encoder: encoder === true })),
    wish: wished,
    example: location.hash === '#example',
  }
  frame = await Frame.open(html, document.querySelector('main')!, hello, hear)
}

/** What the address asks for, as in ?device=simd-dot&threads=2; anything but the words and numbers known here is not heard. */
function wish(asked: URLSearchParams): Wish {
  const device = [...DEVICES, MEASURED as typeof MEASURED].find((name) => name === asked.get('device'))
  const threads = Number(/^[1-9]\d?$/.exec(asked.get('threads') ?? '')?.[0])
  return { ...(device && { device }), ...(threads <= MOST_THREADS && { threads }) }
}

function hear(message: FromFrame): void {
  if (message.kind === 'ready') void settle()
  else if (message.kind === 'crossover') void crossovers.put(release.models[message.model]!.manifest.sha256, message.crossover)
  else void load(message.model, message.kind === 'restart')
}

/** Makes the last requests, for the offline store, and only then calls the page ready. */
async function settle(): Promise<void> {
  offline ??= new OfflineStore()
  await Promise.race([offline.requested, pause(PATIENCE)])
  await offline.storeCached(passed)
  if (!performance.getEntriesByName('bedside:ready').length) performance.mark('bedside:ready')
  status.ready()
  observer.ready()
  observer.send()
  await pause(CALM) // the first note comes before its convenience
  const stored = await offline.store(await library.putAside(), releaseText)
  document.documentElement.dataset['offline'] = stored
  observer.stored(stored)
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
