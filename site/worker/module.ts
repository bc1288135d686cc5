// The module's exported functions as JavaScript: see wasm/module/ABI.md.
import { ConsoleStdout, WASI } from '@bjorn3/browser_wasi_shim'
import { NOTE_LIMIT, type Result } from '../protocol.js'

const ABI = 1

interface Exports extends WebAssembly.Exports {
  memory: WebAssembly.Memory
  bedside_abi(): number
  bedside_allocate(size: number): number
  bedside_release(address: number): void
  bedside_open(address: number, length: number): number
  bedside_ready(model: number): number
  bedside_close(model: number): number
  bedside_begin(model: number, text: number, textLength: number, options: number, optionsLength: number): number
  bedside_finish(job: number): number
  bedside_output(): bigint
}

interface Plan {
  model: number
  shards: {
    size: number
    segments: { offset: number; length: number; to: string; address: number }[]
  }[]
}

interface Options {
  explain: number
  offsets: 'utf16'
}

/** The module's own refusal: it can go on. Every other exception means that it died. */
export class Refusal extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export class Module {
  private constructor(private readonly exports: Exports) {}

  static async start(bytes: ArrayBuffer): Promise<Module> {
    // What Go's runtime writes to stderr is dropped: nothing of a note may reach a console.
    const silent = new ConsoleStdout(() => {})
    const wasi = new WASI([], [], [silent, silent, silent], { debug: false })
    const { instance } = await WebAssembly.instantiate(bytes, { wasi_snapshot_preview1: wasi.wasiImport })
    const exports = instance.exports as Exports
    wasi.initialize({ exports })
    const abi = exports.bedside_abi()
    if (abi !== ABI) throw new Error(`the module speaks ABI ${abi}, the page ${ABI}`)
    return new Module(exports)
  }

  open(manifest: Uint8Array): LoadingModel {
    const read = withoutCard(manifest)
    const address = this.put(read)
    try {
      this.check(this.exports.bedside_open(address, read.length))
      return new LoadingModel(this, JSON.parse(this.output()) as Plan)
    } finally {
      this.exports.bedside_release(address)
    }
  }

  /** Answers with the result and the milliseconds the module took, note copied in and result read out. */
  classify(model: number, text: string, options: Options): { result: Result; ms: number } {
    const started = performance.now()
    if (text.length > NOTE_LIMIT) throw tooLarge()
    const note = encoder.encode(text)
    if (note.length > NOTE_LIMIT) throw tooLarge()
    const wanted = encoder.encode(JSON.stringify(options))
    const noteAt = note.length === 0 ? 0 : this.put(note)
    const wantedAt = this.put(wanted)
    let job: number
    try {
      job = this.check(this.exports.bedside_begin(model, noteAt, note.length, wantedAt, wanted.length))
    } finally {
      this.exports.bedside_release(noteAt)
      this.exports.bedside_release(wantedAt)
    }
    this.check(this.exports.bedside_finish(job))
    const result = JSON.parse(this.output()) as Result
    return { result, ms: performance.now() - started }
  }

  close(model: number): void {
    this.check(this.exports.bedside_close(model))
  }

  ready(model: number): void {
    this.check(this.exports.bedside_ready(model))
  }

  write(bytes: Uint8Array, address: number): void {
    new Uint8Array(this.exports.memory.buffer).set(bytes, address >>> 0)
  }

  private put(bytes: Uint8Array): number {
    const address = this.exports.bedside_allocate(bytes.length)
    if (address === 0) throw new Refusal('out-of-memory', `The module has no room for ${bytes.length} bytes.`)
    this.write(bytes, address)
    return address
  }

  private check(answer: number): number {
    if (answer >= 0) return answer
    const { error } = JSON.parse(this.output()) as { error: { code: string; message: string } }
    if (error.code === 'internal') throw new Error('the module found a defect in itself')
    throw new Refusal(error.code, error.message)
  }

  private output(): string {
    const packed = this.exports.bedside_output()
    const address = Number((packed >> 32n) & 0xffffffffn)
    const length = Number(packed & 0xffffffffn)
    return decoder.decode(new Uint8Array(this.exports.memory.buffer, address, length))
  }
}

/** A model whose shards are still arriving. */
export class LoadingModel {
  private missing: number

  constructor(
    private readonly module: Module,
    private readonly plan: Plan,
  ) {
    this.missing = plan.shards.length
  }

  /** Copies one shard to where the plan wants it; true when it was the last. Each shard comes once. */
  add(shard: number, bytes: Uint8Array): boolean {
    const want = this.plan.shards[shard]
    if (want === undefined || want.size !== bytes.length) {
      throw new Refusal('bad-manifest', `Shard ${shard} is not what the manifest promises.`)
    }
    for (const segment of want.segments) {
      if (segment.to !== 'memory') throw new Refusal('bad-manifest', `This page has no device “${segment.to}”.`)
      this.module.write(bytes.subarray(segment.offset, segment.offset + segment.length), segment.address)
    }
    this.missing--
    return this.missing === 0
  }

  /** Gives up: frees what was reserved. */
  drop(): void {
    this.module.close(this.plan.model)
  }

  /** The handle to classify with. */
  finish(): number {
    this.module.ready(this.plan.model)
    return this.plan.model
  }
}

/** The manifest less what only people read, most of it: code that has just been loaded is slow, and JSON long. */
function withoutCard(manifest: Uint8Array): Uint8Array {
  let parsed: Record<string, unknown>
  try {
    parsed = JSON.parse(decoder.decode(manifest)) as Record<string, unknown>
  } catch {
    return manifest // the module says what is wrong with it
  }
  delete parsed?.['card']
  return encoder.encode(JSON.stringify(parsed))
}

function tooLarge(): Refusal {
  return new Refusal('note-too-large', `The note is larger than ${NOTE_LIMIT >> 20} MiB, the most this page classifies.`)
}
