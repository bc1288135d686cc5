// The module's exported functions as JavaScript: see wasm/module/ABI.md.
import { ConsoleStdout, WASI } from '@bjorn3/browser_wasi_shim'
import { NOTE_LIMIT, type Progress, type Result } from '../protocol.js'
import type { Device, Recorder, Runner } from './device.js'

const ABI = 3

interface Exports extends WebAssembly.Exports {
  memory: WebAssembly.Memory
  bedside_abi(): number
  bedside_allocate(size: number): number
  bedside_release(address: number): void
  bedside_open(address: number, length: number, device: number): number
  bedside_ready(model: number): number
  bedside_close(model: number): number
  bedside_begin(model: number, text: number, textLength: number, options: number, optionsLength: number): number
  bedside_finish(job: number): number
  bedside_cancel(job: number): number
  bedside_output(): bigint
}

interface Plan {
  model: number
  shards: {
    size: number
    segments: { offset: number; length: number; to: string; address: number }[]
  }[]
}

export interface Options {
  explain: number
  labels?: number
  offsets: 'utf16'
}

/** How far a job is. */
interface Parts extends Progress {
  tokens: number
  /** Its device is at work. */
  pending?: true
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

const MOST = 2 ** 32 - 4 // of what the module can be told of bytes

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export class Module {
  private readonly devices = new Map<number, Device>()
  private lastDevice = 0
  private exports!: Exports

  private constructor() {}

  static async start(bytes: ArrayBuffer): Promise<Module> {
    const module = new Module()
    // What Go's runtime writes to stderr is dropped: nothing of a note may reach a console.
    const silent = new ConsoleStdout(() => {})
    const wasi = new WASI([], [], [silent, silent, silent], { debug: false })
    const { instance } = await WebAssembly.instantiate(bytes, {
      wasi_snapshot_preview1: wasi.wasiImport,
      bedside_device: module.deviceImports(),
      bedside_gpu: module.gpuImports(),
    })
    const exports = instance.exports as Exports
    module.exports = exports
    wasi.initialize({ exports })
    const abi = exports.bedside_abi()
    if (abi !== ABI) throw new Error(`the module speaks ABI ${abi}, the page ${ABI}`)
    return module
  }

  /** Opens a model: a linear one, or an encoder on the device, which it owns from then on; without one, on the reference. */
  open(manifest: Uint8Array, device?: Device): LoadingModel {
    const number = device === undefined ? 0 : ++this.lastDevice
    if (device !== undefined) this.devices.set(number, device)
    const read = withoutCard(manifest)
    const address = this.put(read)
    try {
      this.check(this.exports.bedside_open(address, read.length, number))
      return new LoadingModel(this, JSON.parse(this.output()) as Plan, number)
    } catch (error) {
      this.free(number)
      throw error
    } finally {
      this.exports.bedside_release(address)
    }
  }

  /** Starts with a note, on the model that has this device. */
  begin(model: number, device: number, text: string, options: Options): Job {
    if (text.length > NOTE_LIMIT) throw tooLarge()
    const note = encoder.encode(text)
    if (note.length > NOTE_LIMIT) throw tooLarge()
    const wanted = encoder.encode(JSON.stringify(options))
    const noteAt = note.length === 0 ? 0 : this.put(note)
    const wantedAt = this.put(wanted)
    try {
      const job = this.check(this.exports.bedside_begin(model, noteAt, note.length, wantedAt, wanted.length))
      const { tokens } = JSON.parse(this.output()) as Parts
      return new Job(this, job, device, tokens)
    } finally {
      this.exports.bedside_release(noteAt)
      this.exports.bedside_release(wantedAt)
    }
  }

  /** A note's next part: how far the job is, or its result. */
  finish(job: number): Parts | Result {
    this.check(this.exports.bedside_finish(job))
    return JSON.parse(this.output()) as Parts | Result
  }

  /** Resolves when a job that is pending can go on. */
  async settled(device: number): Promise<void> {
    await this.devices.get(device)?.settled()
  }

  cancel(job: number): void {
    this.check(this.exports.bedside_cancel(job))
  }

  ready(model: number): void {
    this.check(this.exports.bedside_ready(model))
  }

  close(model: number, device: number): void {
    this.check(this.exports.bedside_close(model))
    this.free(device)
  }

  /** Copies bytes to the memory of a device, or to the module's own for device 0. */
  write(device: number, to: number, bytes: Uint8Array): void {
    if (device === 0) this.memory().set(bytes, to)
    else this.device(device).write(to, bytes)
  }

  private device(number: number): Device {
    const found = this.devices.get(number)
    if (found === undefined) throw new RangeError(`there is no device ${number}`)
    return found
  }

  private free(device: number): void {
    this.devices.get(device)?.close()
    this.devices.delete(device)
  }

  private memory(): Uint8Array {
    return new Uint8Array(this.exports.memory.buffer)
  }

  /** A range of the module's memory. One that lies outside throws, which ends the module. */
  private range(at: number, length: number): Uint8Array {
    return new Uint8Array(this.exports.memory.buffer, at >>> 0, length >>> 0)
  }

  /** The functions of kernels/simd/ABI.md. */
  private deviceImports(): WebAssembly.ModuleImports {
    const device = (number: number) => this.device(number)
    return {
      reserve: (number: number, size: number) => (device(number).reserve(size >>> 0) ? 0 : 1),
      write: (number: number, to: number, from: number, length: number) => device(number).write(to >>> 0, this.range(from, length)),
      read: (number: number, to: number, from: number, length: number) => device(number).read(this.range(to, length), from >>> 0),
      run: (number: number, program: number) => (device(number) as Runner).run(program >>> 0),
      threads: (number: number) => (device(number) as Runner).threads,
    }
  }

  /** The functions of kernels/webgpu/ABI.md. A device that is none of those they are for throws, which ends the module. */
  private gpuImports(): WebAssembly.ModuleImports {
    const gpu = (number: number) => this.device(number) as Recorder
    return {
      limit: (number: number, which: number) => limit(gpu(number), which),
      pipeline: (number: number, at: number, length: number) => gpu(number).pipeline(decoder.decode(this.range(at, length))),
      record: (number: number, at: number, length: number) => gpu(number).record(this.range(at, length)),
      submit: (number: number, list: number, at: number, length: number) => gpu(number).submit(list, this.range(at, length)),
    }
  }

  private put(bytes: Uint8Array): number {
    const address = this.exports.bedside_allocate(bytes.length)
    if (address === 0) throw new Refusal('out-of-memory', `The module has no room for ${bytes.length} bytes.`)
    this.memory().set(bytes, address >>> 0)
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

/** A note that is being read. */
export class Job {
  result: Result | undefined
  progress: Progress | undefined
  /** The device is at work: it must settle before the next step. */
  pending = false
  private over = false

  constructor(
    private readonly module: Module,
    private readonly job: number,
    private readonly device: number,
    /** Of the note, where the model is an encoder. */
    readonly tokens: number,
  ) {}

  /** Reads the next part, or asks the device for it; true when that was the last. */
  step(): boolean {
    this.over = true // as it is with every end but the one below
    const answer = this.module.finish(this.job)
    if ('of' in answer) {
      this.over = false
      this.pending = answer.pending === true
      this.progress = { done: answer.done, of: answer.of }
      return false
    }
    this.result = answer
    return true
  }

  settled(): Promise<void> {
    return this.module.settled(this.device)
  }

  /** Drops it, where it is not over. */
  cancel(): void {
    if (!this.over) this.module.cancel(this.job)
    this.over = true
  }
}

/** A model whose shards are still arriving. */
export class LoadingModel {
  private readonly missing: Set<number>

  constructor(
    private readonly module: Module,
    private readonly plan: Plan,
    private readonly device: number,
  ) {
    this.missing = new Set(plan.shards.keys())
  }

  /** Copies one shard to where the plan wants it; true when it was the last. */
  add(shard: number, bytes: Uint8Array): boolean {
    const want = this.plan.shards[shard]
    if (want === undefined || want.size !== bytes.length || !this.missing.delete(shard)) {
      throw new Refusal('bad-manifest', `Shard ${shard} is not what the manifest promises.`)
    }
    for (const { offset, length, to, address } of want.segments) {
      this.module.write(to === 'device' ? this.device : 0, address >>> 0, bytes.subarray(offset, offset + length))
    }
    return this.missing.size === 0
  }

  /** Ends the loading; answers with the model, which can classify. */
  finish(): OpenModel {
    this.module.ready(this.plan.model)
    return new OpenModel(this.module, this.plan.model, this.device)
  }

  /** Gives up: frees what was reserved. */
  drop(): void {
    this.module.close(this.plan.model, this.device)
  }
}

export class OpenModel {
  constructor(
    private readonly module: Module,
    private readonly model: number,
    private readonly device: number,
  ) {}

  begin(text: string, options: Options): Job {
    return this.module.begin(this.model, this.device, text, options)
  }

  close(): void {
    this.module.close(this.model, this.device)
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

/** What a GPU can do, in the order of wasm/module/ABI.md; 0 throughout where a device is none. */
function limit({ limits }: Partial<Recorder>, which: number): number {
  if (limits === undefined) return 0
  const { binding, workgroup, invocations, packed, quads, buffer } = limits
  return Math.min([binding, workgroup, invocations, Number(packed), Number(quads), buffer][which] ?? 0, MOST)
}

function tooLarge(): Refusal {
  return new Refusal('note-too-large', `The note is larger than ${NOTE_LIMIT >> 20} MiB, the most this page classifies.`)
}
