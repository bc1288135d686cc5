// Which of a model's two copies reads a note sooner, by trial with invented ones.
import type { Crossover } from '../protocol.js'
import type { OpenModel } from './module.js'
import { readThrough, type Twin } from './twin.js'

const ROUNDS = 2 // of each copy, of which the better counts: the first is slowed by what is made only once
const LENGTHS = [
  ['128', 128],
  ['32', 32],
] as const

/**
 * The shortest length from which on the copy is quicker, and not only at it. Each trial is one forward, which `alone` makes
 * again where a note came between.
 */
export async function contest(
  model: OpenModel,
  twin: Twin,
  window: number,
  alone: (trial: () => Promise<number>) => Promise<number>,
): Promise<Crossover> {
  let crossover: Crossover = 'never'
  for (const [name, tokens] of [['window', window] as const, ...LENGTHS.filter(([, tokens]) => tokens < window)]) {
    const note = 'a '.repeat(tokens - 2) // each is one token, and two come with every note
    const onModel = await best(() => alone(() => timed(() => readOn(model, note))))
    const onTwin = await best(() => alone(() => timed(() => twin.read(note, OPTIONS, readThrough))))
    if (twin.ended !== undefined) return 'never'
    if (onTwin >= onModel) break
    crossover = name
  }
  return crossover
}

/** From how many tokens of a note on. */
export function tokensFrom(crossover: Crossover, window: number): number {
  if (crossover === 'never') return Infinity
  return Math.min(crossover === 'window' ? window : Number(crossover), window) - 2
}

const OPTIONS = { explain: 0, offsets: 'utf16' } as const

async function best(trial: () => Promise<number>): Promise<number> {
  let best = Infinity
  for (let round = 0; round < ROUNDS; round++) best = Math.min(best, await trial())
  return best
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await action()
  return performance.now() - started
}

async function readOn(model: OpenModel, note: string): Promise<void> {
  const job = model.begin(note, OPTIONS)
  await readThrough(job, () => job.step())
}
