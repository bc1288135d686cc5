// The module alone, to time its tokenizer: beginning a job tokenizes the note and computes nothing yet.
import { Module, type OpenModel } from '../../../site/worker/module.js'
import { answerWith } from './answering.js'

let model: OpenModel

async function open(module: string, manifest: string, shards: string[]): Promise<void> {
  const load = async (url: string) => (await fetch(url)).arrayBuffer()
  const own = await Module.start(await load(module))
  const loading = own.open(new Uint8Array(await load(manifest)))
  for (const [n, url] of shards.entries()) loading.add(n, new Uint8Array(await load(url)))
  model = loading.finish()
}

/** Milliseconds of each round. */
async function tokenize(text: string, rounds: number): Promise<number[]> {
  const times: number[] = []
  for (let n = 0; n < rounds; n++) {
    const begun = performance.now()
    const job = model.begin(text, { explain: 0, offsets: 'utf16' })
    times.push(performance.now() - begun)
    job.cancel()
  }
  return times
}

answerWith({ open, tokenize })
