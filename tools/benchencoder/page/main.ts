// The bench page. The Go program calls the functions of `bench`; nothing here decides what is measured.
import type { DeviceName } from '../../../site/protocol.js'
import { type Answer, type Asked, Caller, type Engine, type Note, type Opening } from './engine.js'
import { fetchAll, Own } from './own.js'
import { Peer } from './peer.js'

interface Contest {
  /** Milliseconds that each engine runs before it counts. */
  warm: number
  rounds: number
  /** Milliseconds between runs, in which the other engine's threads fall asleep. */
  rest: number
}

/** Milliseconds of each round, and what the last asked a GPU for. */
interface Times {
  times: Partial<Record<Name, number[]>>
  asked: Partial<Record<Name, Asked>>
}

/** Ours; onnxruntime-web; the same on float32 weights. */
type Name = 'own' | 'peer' | 'float'
const opened: Partial<Record<Name, Engine>> = {}

function engine(name: Name): Engine {
  const made = opened[name]
  if (made === undefined) throw new Error(`${name} is not open`)
  return made
}

/** The device is ours, where it is not for the engine to choose. */
async function open(name: Name, model: string, threads: number, device?: DeviceName): Promise<Opening> {
  opened[name]?.close()
  const provider = device === 'webgpu' ? device : 'wasm'
  opened[name] = name === 'own' ? new Own(device) : new Peer(provider, name === 'float' ? 'float32' : 'model')
  return opened[name].open(model, threads)
}

/** The engines that are named round after round, in turning order. */
async function contest(names: Name[], note: Note, { warm, rounds, rest }: Contest): Promise<Times> {
  for (const name of names) {
    const end = performance.now() + warm
    do await engine(name).run(note)
    while (performance.now() < end)
  }
  const times: Times['times'] = {}
  const asked: Times['asked'] = {}
  for (let round = 0; round < rounds; round++) {
    for (const [turn] of names.entries()) {
      const name = names[(round + turn) % names.length]!
      await sleep(rest)
      const answer = await engine(name).run(note)
      ;(times[name] ??= []).push(answer.ms)
      if (answer.asked) asked[name] = answer.asked
    }
  }
  return { times, asked }
}

/** A start from nothing to the first answer. */
async function visit(
  note: Note,
  ...[name, model, threads, device]: Parameters<typeof open>
): Promise<Opening & { answered: number; late: number }> {
  const began = performance.now()
  const moments = await open(name, model, threads, device)
  await run(name, note)
  return { ...moments, answered: performance.now() - began, late: engine(name).late ?? 0 }
}

async function run(name: Name, note: Note, times = 1): Promise<Answer> {
  let answer: Answer
  do answer = await engine(name).run(note)
  while (--times > 0)
  return answer
}

/** Milliseconds of each round in which the module tokenizes a text. */
async function tokenize(model: string, text: string, rounds: number): Promise<number[]> {
  const script = new Worker('/tokens-worker.js', { type: 'module' })
  try {
    const worker = new Caller(script)
    const { module, manifest, shards } = releases[model]!
    await worker.call('open', `/${module.url}`, `/${manifest.url}`, shards.map(({ url }) => `/${url}`))
    return await worker.call('tokenize', text, rounds)
  } finally {
    script.terminate()
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

const bench = { open, visit, fetchAll, contest, run, tokenize, isolated: crossOriginIsolated }
declare global {
  interface Window {
    bench: typeof bench
  }
}
window.bench = bench
