// The messages between the three parts of the page, and the release they come from.
//
//   outer document  --port-->  inner frame  --worker.postMessage-->  worker
//   (network, no note)         (notes, no network)                   (the module)
//
// Inward go files, already verified, and facts about the page's own requests. Outward, from frame to outer document, go
// only the messages of FromFrame: words of fixed sets and a model's index. No string of the frame's making ever crosses.

/** One file of the release. The outer document takes nothing but these bytes. */
export interface Pinned {
  /** Relative to index.html. */
  url: string
  /** Bytes, decompressed. */
  size: number
  /** Lower-case hex. */
  sha256: string
}

export interface Model {
  name: string
  title: string
  question: string
  /** It computes on a device, for which the worker needs the kernels. */
  encoder?: boolean
  manifest: Pinned
  /** In the order of the manifest. */
  shards: Pinned[]
}

/** Written into index.html by the build: everything the page will ever fetch, pinned. */
export interface Release {
  module: Pinned
  /** Every build of the SIMD kernels, see tools/page/kernels.go; absent where no model needs them. */
  kernels?: Pinned
  models: Model[]
}

/** Builds of the kernels by the instructions they use: kernels/simd/ABI.md. */
export const VARIANTS = ['plain', 'relaxed', 'dot'] as const
export type Variant = (typeof VARIANTS)[number]

/** What encoders compute on: the module's own reference, kernels, or a GPU. */
export const DEVICES = ['reference', ...VARIANTS.map((variant) => `simd-${variant}` as const), 'webgpu'] as const
export type DeviceName = (typeof DEVICES)[number]

/**
 * Why a GPU does not serve: there is none, it was refused, it does not take the shaders, it has not the memory, it was
 * lost or at fault, it does not answer, or a worker died that had one. 'silent' may pass.
 */
export type GpuTrouble = 'absent' | 'refused' | 'shader' | 'memory' | 'lost' | 'silent' | 'suspected'

/** The most threads that kernels take. */
export const MOST_THREADS = 16

/** Of a wish: choose as without one, but let a GPU made of software compete too. For tests. */
export const MEASURED = 'measured'

/** What the page's address asks for; what it leaves out, the worker chooses. */
export interface Wish {
  device?: DeviceName | typeof MEASURED
  threads?: number
}

/**
 * From which length on a note is read quicker on the GPU than on the processor: so many tokens, a whole window of the
 * model's, or none.
 */
export const CROSSOVERS = ['32', '128', 'window', 'never'] as const
export type Crossover = (typeof CROSSOVERS)[number]

/** What a model computes on. */
export interface Serving {
  device: DeviceName
  threads: number
  /** Of a GPU: notes with fewer tokens are read on the processor. */
  from?: number
  /** Why it is not the GPU which was asked for, or which served before. */
  without?: GpuTrouble
}

/** A request made by the outer document. */
export interface Request {
  /** Relative to the page where it is the page's own origin. */
  url: string
  /** Bytes over the network; 0 when a cache answered. */
  transferred: number
  /** Milliseconds since the page was opened. */
  at: number
  /** Made after the page was ready: loaded, and prepared for offline use. */
  afterReady: boolean
}

export type Offline = 'pending' | 'stored' | 'refused' | 'unsupported'

/** What the outer document saw of the network, for the details view. */
export interface Witness {
  requests: Request[]
  /** The page is ready: it has made every request it had to make. */
  ready: boolean
  offline: Offline
}

/** The frame's first word, posted to its parent: it listens for hello. */
export const LISTENING = 'bedside: listening'

/** The first message, posted to the frame's window, carrying the port all others use. */
export interface Hello {
  kind: 'hello'
  /** Address of the page, which the leak test aims at. */
  base: string
  /** Content-Security-Policy of the outer document; the frame inherits it. */
  policy: string
  moduleSHA256: string
  kernelsSHA256: string | undefined
  models: { name: string; title: string; question: string; encoder: boolean }[]
  wish: Wish
  /** Open with the first example note. */
  example: boolean
}

/**
 * Outer document to frame. Buffers are transferred. A load is sent in this order: module and kernels, manifest, shards;
 * the shards in any order.
 */
export type ToFrame =
  /** A load begins, or cannot be finished; the outer document says why and offers to retry. */
  | { kind: 'load'; model: number; state: 'loading' | 'failed' }
  | { kind: 'module'; bytes: ArrayBuffer }
  | { kind: 'kernels'; bytes: ArrayBuffer }
  | { kind: 'manifest'; model: number; bytes: ArrayBuffer }
  | { kind: 'shard'; model: number; shard: number; bytes: ArrayBuffer }
  | { kind: 'witness'; witness: Witness }
  /** What was measured on an earlier visit, on the same GPU; undefined: please measure. */
  | { kind: 'crossover'; model: number; crossover: Crossover | undefined }

/** Frame to outer document: all that ever comes out. */
export type FromFrame =
  /** The model can classify. */
  | { kind: 'ready'; model: number }
  /** Please hand in a model. */
  | { kind: 'load'; model: number }
  /** The worker died: please hand in module and model again. */
  | { kind: 'restart'; model: number }
  /** Please remember what was measured. */
  | { kind: 'crossover'; model: number; crossover: Crossover }

/** Frame to worker. */
export type ToWorker =
  | { kind: 'module'; bytes: ArrayBuffer }
  /** With `gpus`, whoever sends this answers ToGpu, and tells the crossovers of models. */
  | { kind: 'kernels'; bytes: ArrayBuffer; wish: Wish; gpus?: boolean }
  | { kind: 'manifest'; model: number; encoder: boolean; bytes: ArrayBuffer }
  | { kind: 'shard'; model: number; shard: number; bytes: ArrayBuffer }
  | { kind: 'crossover'; model: number; crossover: Crossover | undefined }
  | { kind: 'classify'; id: number; model: number; text: string; explain: number }
  /** The answer is not wanted any more: a note under way is dropped between two of its parts. */
  | { kind: 'cancel'; id: number }
  | FromGpu

/** Worker to frame. */
export type FromWorker =
  | { kind: 'ready'; model: number; serving?: Serving }
  | { kind: 'crossover'; model: number; crossover: Crossover }
  /** A model that is ready computes on something else from now on. */
  | { kind: 'serving'; model: number; serving: Serving }
  | { kind: 'progress'; id: number; progress: Progress }
  | { kind: 'result'; id: number; result: Result; ms: number }
  /** A classification failed or was cancelled; the module can go on. */
  | { kind: 'refused'; id: number; code: string; message: string }
  /** The model's device died over this note: the model must be loaded again, onto another. */
  | { kind: 'lost'; id: number; model: number }
  /** A model cannot be used. */
  | { kind: 'unusable'; model: number; code: string; message: string }
  /** The module died: the worker is of no more use. */
  | { kind: 'stopped' }
  | ToGpu

/**
 * Worker to a GPU, which only the frame's window can have: kernels/webgpu/ABI.md. The worker numbers its GPUs, and the
 * pipelines and lists of each. Nothing but `open` is sent to a GPU before it has answered that.
 */
export type ToGpu =
  | { kind: 'gpu-open'; gpu: number }
  | { kind: 'gpu-reserve'; gpu: number; end: number }
  | { kind: 'gpu-pipeline'; gpu: number; name: string }
  | { kind: 'gpu-record'; gpu: number; list: ArrayBuffer }
  | { kind: 'gpu-write'; gpu: number; to: number; data: ArrayBuffer }
  | { kind: 'gpu-submit'; gpu: number; list: number; params: ArrayBuffer }
  /** Please do all that, and answer with these bytes. */
  | { kind: 'gpu-settle'; gpu: number; reads: Range[] }
  | { kind: 'gpu-close'; gpu: number }

/** From a GPU to the worker. */
export type FromGpu =
  | { kind: 'gpu-opened'; gpu: number; limits: GpuLimits }
  /** A pipeline has been made, or a part of a list is done: whoever waits may go on waiting. */
  | { kind: 'gpu-working'; gpu: number }
  | { kind: 'gpu-settled'; gpu: number; answers: ArrayBuffer[] }
  /** It could not be opened, or can do no more. Its last word. */
  | { kind: 'gpu-lost'; gpu: number; trouble: GpuTrouble }

/** What the recorder must know of a GPU. */
export interface GpuLimits {
  /** The most bytes of one binding. */
  binding: number
  /** The most bytes of one buffer. */
  buffer: number
  /** Bytes of memory that a workgroup shares. */
  workgroup: number
  /** Invocations of a workgroup. */
  invocations: number
  /** WGSL has dot4I8Packed. */
  packed: boolean
  /** WGSL has quadBroadcast. */
  quads: boolean
}

export interface Range {
  from: number
  length: number
}

/** How much of a long note has been read, in windows. */
export interface Progress {
  done: number
  of: number
}

/** The module refuses more UTF-8 than this in one note. */
export const NOTE_LIMIT = 16 << 20

/** The module's answer: classify.Result in wasm/classify/result.go, with spans in UTF-16 units. */
export interface Result {
  model: string
  task: 'multi-class' | 'multi-label'
  sure: boolean
  reason?: 'no-known-terms' | 'below-thresholds'
  terms: number
  /** Of an encoder: how many tokens the note has, and the windows in which it was read. */
  tokens?: number
  windows?: number
  labels: Label[]
  /** How many labels the model has, where not all are listed. */
  known?: number
  explanations?: Explanation[]
  /** Why there are none, though asked for: the note has no two words that an encoder can do without. */
  unexplained?: 'encoder'
}

export interface Label {
  index: number
  name: string
  logit: number
  probability: number
  threshold: number
  clears: boolean
}

export interface Explanation {
  index: number
  name: string
  logit: number
  bias: number
  rest: number
  features: Feature[]
}

export interface Feature {
  contribution: number
  analyzer: 'word' | 'char_wb' | 'phrase' | 'sentence'
  count: number
  spans: [number, number][]
}

/** The parts of a bundle's manifest that the page shows: see weights/manifest.go. */
export interface Manifest {
  name: string
  title: string
  question: string
  task: { kind: string; labels: string[] }
  thresholds: number[]
  lexicon?: Lexicon
  linear?: { family: string; c: number }
  encoder?: Encoder
  /** Where there is an encoder beside a linear head: the encoder's share, 0 to 1. */
  mix?: { encoder: number }
  shards: { file: string; size: number; sha256: string }[]
  card: Card
}

export interface Lexicon {
  max_n: number
  phrases: number
  entries: number
  concepts: number
}

export interface Encoder {
  architecture: string
  layers: number
  hidden: number
  heads: number
  intermediate: number
  vocabulary: number
  weights: string
  window: { tokens: number; overlap: number; combine: string }
}

export interface Card {
  summary: string
  intended_use: string[] | null
  limits: string[] | null
  data: { name: string; licence: string; rows: number; examples: number; sha256: string }[] | null
  training: string
  refitted?: boolean
  evaluations: Evaluation[] | null
}

export interface Evaluation {
  protocol: string
  n: number
  /** With the ends of a 95 % interval where there is one. */
  figures: { name: string; value: number; low?: number; high?: number }[] | null
  per_label?: { label: string; precision: number; recall: number; f1: number; support: number; predicted: number }[]
  reliability?: { confidence: number; accuracy: number; count: number }[]
  curve?: { confidence: number; answered: number; accuracy: number }[]
  pairs?: { missed: string; given: string; count: number; chance: number }[]
}
