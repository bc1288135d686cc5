// The outer document: fetches the release from its own origin, verifies it and hands it into the frame. It never sees a
// note: nothing but the words of FromFrame comes back.
import type { FromFrame, Hello, Release } from '../protocol.js'
import { Frame } from './frame.js'
import { Library, modelFiles } from './library.js'
import { OfflineStore } from './offline.js'
import { Status } from './status.js'
import { Observer } from './witness.js'

const PATIENCE = 5000 // milliseconds that the requests for offline use may take
const CALM = 500 // milliseconds between being ready and storing for the next visit

const releaseText = document.getElementById('release')!.textContent!
const release = JSON.parse(releaseText) as Release
const status = new Status()
const library = new Library((bytes) => status.progress(bytes))
let frame: Frame | undefined
/** The module on its way into the frame, or there. */
let runtime: Promise<void> | undefined
const observer = new Observer((witness) => frame?.send({ kind: 'witness', witness }))

performance.mark('bedside:outer')
void load(0, true)
let offline: OfflineStore | undefined

// A file dropped beside the frame would otherwise open in place of the page.
for (const type of ['dragover', 'drop']) addEventListener(type, (event) => event.preventDefault())

/** Loads a model, and the runtime too where `fresh`, until it succeeds or the reader gives up retrying. */
async function load(model: number, fresh: boolean): Promise<void> {
  try {
    await attempt(model, fresh)
  } catch (error) {
    frame?.send({ kind: 'load', model, state: 'failed' })
    const reason = error instanceof Error ? error.message : String(error)
    status.fail(reason, () => void load(model, fresh))
  }
}

async function attempt(index: number, fresh: boolean): Promise<void> {
  if (!isSecureContext) {
    throw new Error('Browsers let this page work only over HTTPS, or on the very device that serves it (localhost).')
  }
  const model = release.models[index]!
  if (fresh) runtime = undefined
  const files = [...(runtime === undefined ? [release.module] : []), ...modelFiles(model)]
  status.begin(files.reduce((sum, file) => sum + file.size, 0))
  library.want(files)
  frame?.send({ kind: 'load', model: index, state: 'loading' })
  runtime ??= handInRuntime()
  try {
    await runtime
  } catch (error) {
    runtime = undefined
    throw error
  }
  frame!.send({ kind: 'manifest', model: index, bytes: await library.take(model.manifest) })
  for (const [shard, file] of model.shards.entries()) {
    frame!.send({ kind: 'shard', model: index, shard, bytes: await library.take(file) })
  }
  status.delivered()
}

async function handInRuntime(): Promise<void> {
  frame ??= await openFrame()
  frame.send({ kind: 'module', bytes: await library.take(release.module) })
}

async function openFrame(): Promise<Frame> {
  const html = JSON.parse(document.getElementById('frame')!.textContent!) as string
  const hello: Hello = {
    kind: 'hello',
    base: new URL('./', location.href).href,
    policy: document.querySelector<HTMLMetaElement>('meta[http-equiv="Content-Security-Policy"]')!.content,
    moduleSHA256: release.module.sha256,
    models: release.models.map(({ name, title, question }) => ({ name, title, question })),
    example: location.hash === '#example',
  }
  return Frame.open(html, document.querySelector('main')!, hello, hear)
}

function hear(message: FromFrame): void {
  if (message.kind === 'ready') void settle()
  else void load(message.model, message.kind === 'restart')
}

/** Makes the last requests, for the offline store, and only then calls the page ready. */
async function settle(): Promise<void> {
  offline ??= new OfflineStore()
  await Promise.race([offline.requested, pause(PATIENCE)])
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
