// onnxruntime-web in a worker, driven as its documentation advises: its WebAssembly build alone, or the one with WebGPU, all
// graph optimizations, inputs made before the clock starts.
import type * as runtime from 'onnxruntime-web/wasm'
import { answerWith } from './answering.js'
import { count, taken } from './asked.js'
import type { Answer, Note, Opening } from './engine.js'

type Runtime = typeof runtime

let ort: Runtime
let session: runtime.InferenceSession

async function open(model: string, threads: number, began: number, provider: 'wasm' | 'webgpu', form: string): Promise<Opening> {
  if (provider === 'webgpu') count()
  const weights = fetch(`/models/${model}/${form}.onnx`).then((r) => r.arrayBuffer())
  const script = `/peer/ort.${provider}.min.mjs`
  ort = (await import(script)) as Runtime
  ort.env.logLevel = 'error'
  ort.env.wasm.numThreads = threads
  ort.env.wasm.wasmPaths = '/peer/'
  session = await ort.InferenceSession.create(new Uint8Array(await weights), {
    executionProviders: [provider],
    graphOptimizationLevel: 'all',
  })
  return { ready: performance.timeOrigin + performance.now() - began }
}

async function run(note: Note): Promise<Answer> {
  const row = (values: bigint[]) => new ort.Tensor('int64', BigInt64Array.from(values), [1, values.length])
  const inputs = {
    input_ids: row(note.ids.map(BigInt)),
    attention_mask: row(note.ids.map(() => 1n)),
    token_type_ids: row(note.ids.map(() => 0n)),
  }
  taken()
  const begun = performance.now()
  const { logits } = await session.run(inputs)
  const data = logits!.data as Float32Array
  const ms = performance.now() - begun
  const asked = taken()
  return { ms, logits: [...data], ...(asked && { asked }) }
}

answerWith({ open, run })
