// Replays command lists on a GPU: kernels/webgpu/ABI.md. It knows buffers, pipelines and dispatches, and nothing of encoders.
import type { GpuLimits, GpuTrouble, Range } from '../protocol.js'

export type { GpuLimits as Limits }

/** Memory for addresses from `begin` on. */
interface Memory {
  begin: number
  buffer: GPUBuffer
}

interface Dispatch {
  pipeline: GPUComputePipeline
  bindings: GPUBindGroup
  groups: [number, number, number]
  /** In workgroups: dispatches differ in what one of theirs takes, but less than in how many they have. */
  work: number
}

/** A list whose bind groups are made when it is first submitted. */
interface List {
  words: Uint32Array
  dispatches?: Dispatch[]
}

/** The WGSL of a shader, by its name. */
export type Shaders = Pick<ReadonlyMap<string, string>, 'get'>

const FIRST = 256 // the first address
const LISTS = 32 // that are kept
const PART = 100 // milliseconds of work after which a GPU should be heard of
const FADING = 0.7 // of what a workgroup took at most, kept with each part

export class Gpu {
  /** Resolves to why, when the GPU can do no more: lost, out of memory, or at fault. */
  readonly lost: Promise<string>
  /** The same in a word. */
  trouble: GpuTrouble | undefined
  readonly limits: GpuLimits
  /** Hears of every pipeline that has been made, and of parts of long lists that are done. */
  working = () => {}

  private readonly memory: Memory[] = []
  private end = FIRST
  private readonly pipelines: Promise<void>[] = []
  private readonly compiled: GPUComputePipeline[] = []
  private readonly expected = new Map<string, Promise<GPUComputePipeline>>()
  private readonly modules = new Map<string, GPUShaderModule>()
  private readonly lists: List[] = []
  private recorded = 0
  private params: GPUBuffer | undefined
  private staging: GPUBuffer | undefined
  private commands: GPUCommandEncoder | undefined
  private asked: Range[] = []
  private gone = false
  private lose!: (why: string, trouble: GpuTrouble) => void
  /** Allocations that the GPU may yet refuse. */
  private checks: Promise<void>[] = []
  /** Milliseconds that a workgroup took lately. */
  private pace = 0
  /** Workgroups that are encoded and not sent. */
  private work = 0
  /** When the GPU was done with what it had, as far as is known. */
  private rested = 0
  /** An error scope is open around what was submitted: its answer counts where there was none. */
  private watched = false

  constructor(
    readonly device: GPUDevice,
    private readonly shaders: Shaders,
    // A processor that plays a GPU does packed dots one byte at a time.
    packed = !device.adapterInfo.isFallbackAdapter && navigator.gpu.wgslLanguageFeatures.has('packed_4x8_integer_dot_product'),
  ) {
    this.lost = new Promise((resolve) => {
      this.lose = (why, trouble) => {
        this.gone = true
        this.trouble ??= trouble
        resolve(why)
      }
    })
    void device.lost.then(({ message, reason }) => this.lose(message || `the GPU was lost (${reason})`, 'lost'))
    device.onuncapturederror = ({ error }) => this.lose(error.message, error instanceof GPUOutOfMemoryError ? 'memory' : 'lost')
    const { maxStorageBufferBindingSize, maxBufferSize, maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup } = device.limits
    this.limits = {
      binding: Math.min(maxStorageBufferBindingSize, maxBufferSize),
      // A GPU in software clears this memory word by word, in code that it must compile first.
      workgroup: device.adapterInfo.isFallbackAdapter ? 0 : maxComputeWorkgroupStorageSize,
      invocations: maxComputeInvocationsPerWorkgroup,
      packed,
      quads: device.features.has('subgroups'),
      buffer: maxBufferSize,
    }
  }

  /** A device with what this adapter has, or why there is none. */
  static async open(shaders: Shaders): Promise<Gpu> {
    const adapter = await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' })
    if (!adapter) throw new NoGpu('this browser offers no GPU')
    const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits
    const requiredFeatures: GPUFeatureName[] = adapter.features.has('subgroups') ? ['subgroups'] : []
    return new Gpu(await adapter.requestDevice({ requiredFeatures, requiredLimits: { maxStorageBufferBindingSize, maxBufferSize } }), shaders)
  }

  /** Memory for the addresses up to `end`. */
  reserve(end: number): void {
    const buffer = this.allocate(end - this.end, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST)
    if (buffer === undefined) return
    this.memory.push({ begin: this.end, buffer })
    this.end = end
  }

  write(to: number, data: Uint8Array): void {
    if (this.gone) return
    this.send()
    for (const { buffer, at, from, length } of this.parts(to, data.length)) {
      const whole = length & ~3
      this.device.queue.writeBuffer(buffer, at, data as Uint8Array<ArrayBuffer>, from, whole)
      if (whole === length) continue
      const rest = new Uint8Array(4) // writes are of whole words; buffers of ours never share one
      rest.set(data.subarray(from + whole))
      this.device.queue.writeBuffer(buffer, at + whole, rest)
    }
  }

  /** Begins to compile a pipeline that will be asked for. */
  expect(name: string): void {
    const made = this.compile(name)
    made.catch(() => {}) // whoever asks for it hears
    this.expected.set(name, made)
  }

  /** Compiles a pipeline; they are numbered in the order of the calls. */
  pipeline(name: string): void {
    const index = this.pipelines.length
    const made = this.expected.get(name) ?? this.compile(name)
    const compiled = (pipeline: GPUComputePipeline) => {
      this.compiled[index] = pipeline
      this.working()
    }
    this.pipelines.push(made.then(compiled, (error: unknown) => this.lose(`${name}: ${String(error)}`, 'shader')))
  }

  private async compile(name: string): Promise<GPUComputePipeline> {
    if (this.gone) throw new Error('the GPU is gone')
    const [shader, ...rest] = name.split(',') as [string, ...string[]]
    const constants = Object.fromEntries(rest.map((part) => part.split('=') as [string, string]).map(([n, value]) => [n, Number(value)]))
    return this.device.createComputePipelineAsync({ label: name, layout: 'auto', compute: { module: this.module(shader), entryPoint: 'main', constants } })
  }

  /** Keeps a list; they are numbered in the order of the calls, and a late one takes the place of an early one. */
  record(words: Uint32Array): void {
    this.lists[this.recorded++ % LISTS] = { words }
  }

  /** Encodes a list behind what has been submitted before. The end of it, mostly all, runs with flush. */
  submit(list: number, params: Uint8Array): void {
    if (this.gone) return
    this.asked = []
    this.send()
    this.watch()
    const size = Math.max(FIRST, params.length)
    if (this.params === undefined || this.params.size < size) {
      this.params?.destroy()
      this.params = this.allocate(size, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST)
      for (const known of this.lists) delete known.dispatches
    }
    if (this.params === undefined) return
    this.device.queue.writeBuffer(this.params, 0, params as Uint8Array<ArrayBuffer>)
    const known = this.lists[list % LISTS]!
    this.encode((known.dispatches ??= this.bind(known.words, this.params)))
  }

  /** Asks for bytes as they are after what has been submitted. */
  read(from: number, length: number): void {
    this.asked.push({ from, length })
  }

  /** Resolves when every pipeline can be used and no allocation was refused, or when the GPU is gone. */
  async ready(): Promise<void> {
    await Promise.race([this.lost, Promise.all([...this.pipelines, ...this.checks])])
    this.checks = []
  }

  /** Runs what was submitted; answers with the bytes asked for, in order, or undefined when the GPU is gone. */
  async flush(): Promise<Uint8Array[] | undefined> {
    if (this.gone) return undefined
    const asked = this.asked
    this.asked = []
    try {
      const answer = await Promise.race([this.lost, this.fetch(asked)])
      return typeof answer === 'string' ? undefined : answer
    } catch (error) {
      await Promise.all(this.checks) // a refused allocation is the better reason
      this.fail(error)
      return undefined
    }
  }

  /** Hears that something of its own threw. */
  fail(error: unknown): void {
    this.lose(String(error), 'lost')
  }

  close(): void {
    this.lose('closed', 'lost')
    this.device.destroy()
  }

  private async fetch(asked: Range[]): Promise<Uint8Array[]> {
    const places = asked.map(({ length }) => (length + 3) & ~3)
    const size = places.reduce((sum, n) => sum + n, 0)
    if (size > 0 && (this.staging === undefined || this.staging.size < size)) {
      this.staging?.destroy()
      this.staging = this.allocate(size, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST)
    }
    const [work, sent] = [this.work, performance.now()]
    this.commands ??= this.device.createCommandEncoder()
    let to = 0
    for (const [i, range] of asked.entries()) {
      for (const { buffer, at, from, length } of this.parts(range.from, places[i]!)) {
        this.commands.copyBufferToBuffer(buffer, at, this.staging!, to + from, length)
      }
      to += places[i]!
    }
    this.send()
    const error = this.unwatch()
    await (size === 0 ? this.device.queue.onSubmittedWorkDone() : this.staging!.mapAsync(GPUMapMode.READ, 0, size))
    this.did(work, sent)
    const found = await error
    if (found) throw new Error(found.message)
    if (size === 0) return []
    const mapped = new Uint8Array(this.staging!.getMappedRange(0, size))
    let begin = 0
    const answer = asked.map(({ length }, i) => {
      const bytes = mapped.slice(begin, begin + length)
      begin += places[i]!
      return bytes
    })
    this.staging!.unmap()
    return answer
  }

  /** What is written to the queue would otherwise overtake commands that were encoded before. */
  private send(): void {
    if (this.commands !== undefined) this.device.queue.submit([this.commands.finish()])
    this.commands = undefined
    this.work = 0
  }

  private watch(): void {
    if (!this.watched) this.device.pushErrorScope('validation')
    this.watched = true
  }

  private unwatch(): Promise<GPUError | null> | undefined {
    const error = this.watched ? this.device.popErrorScope() : undefined
    this.watched = false
    return error
  }

  /** Encodes dispatches; sends them part by part where they will take long, so that the GPU is heard of in between. */
  private encode(dispatches: Dispatch[]): void {
    let pass: GPUComputePassEncoder | undefined
    let last: GPUComputePipeline | undefined
    for (const { pipeline, bindings, groups, work } of dispatches) {
      if (pass && (this.work + work) * this.pace > PART) {
        pass.end()
        this.sendPart()
        pass = last = undefined
      }
      this.commands ??= this.device.createCommandEncoder()
      pass ??= this.commands.beginComputePass()
      if (pipeline !== last) pass.setPipeline((last = pipeline))
      pass.setBindGroup(0, bindings)
      pass.dispatchWorkgroups(...groups)
      this.work += work
    }
    pass?.end()
  }

  private sendPart(): void {
    const [work, sent] = [this.work, performance.now()]
    this.send()
    void this.device.queue.onSubmittedWorkDone().then(
      () => {
        this.did(work, sent)
        this.working()
      },
      () => {}, // the device is lost
    )
  }

  /** Hears that the GPU is done with so many workgroups. */
  private did(work: number, sent: number): void {
    const now = performance.now()
    // Kernels differ in what a workgroup takes, so that a quick part says little of the next.
    if (work > 0) this.pace = Math.max((now - Math.max(sent, this.rested)) / work, FADING * this.pace)
    this.rested = now
  }

  private bind(words: Uint32Array, params: GPUBuffer): Dispatch[] {
    const dispatches: Dispatch[] = []
    let at = 2
    const next = () => words[at++]!
    for (let n = words[0]!; n > 0; n--) {
      const pipeline = this.compiled[next()]
      if (pipeline === undefined) throw new Error('a list was submitted before its pipelines were ready')
      const groups: [number, number, number] = [next(), next(), next()]
      const entries: GPUBindGroupEntry[] = [{ binding: 0, resource: { buffer: params, offset: next(), size: next() } }]
      for (let count = next(); count > 0; count--) {
        const [buffer, offset] = this.at(next())
        entries.push({ binding: entries.length, resource: { buffer, offset, size: next() } })
      }
      const bindings = this.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries })
      dispatches.push({ pipeline, bindings, groups, work: groups[0] * groups[1] * groups[2] })
    }
    return dispatches
  }

  /** The GPU buffer of an address, and the place in it. */
  private at(address: number): [GPUBuffer, number] {
    const { begin, buffer } = this.memory.findLast(({ begin }) => begin <= address)!
    return [buffer, address - begin]
  }

  /** The parts of a range, by the GPU buffers that they lie in. */
  private *parts(address: number, bytes: number): Generator<{ buffer: GPUBuffer; at: number; from: number; length: number }> {
    for (let from = 0; from < bytes; ) {
      const [buffer, at] = this.at(address + from)
      const length = Math.min(bytes - from, buffer.size - at)
      yield { buffer, at, from, length }
      from += length
    }
  }

  private module(shader: string): GPUShaderModule {
    let module = this.modules.get(shader)
    if (module === undefined) {
      const code = shader.split('+').map((file) => this.shaders.get(file) ?? '').join('\n')
      module = this.check('shader', () => this.device.createShaderModule({ label: shader, code }))!
      this.modules.set(shader, module)
    }
    return module
  }

  private allocate(size: number, usage: GPUBufferUsageFlags): GPUBuffer | undefined {
    return this.check('memory', () => this.device.createBuffer({ size, usage }))
  }

  /** Makes something that the GPU may refuse, now or later; a refusal loses the device. */
  private check<T>(trouble: GpuTrouble, make: () => T): T | undefined {
    if (this.gone) return undefined
    this.device.pushErrorScope('out-of-memory')
    this.device.pushErrorScope('validation')
    let made: T | undefined
    try {
      made = make()
    } catch (error) {
      this.lose(String(error), trouble) // a RangeError, of buffers that no machine has
    }
    const errors = [this.device.popErrorScope(), this.device.popErrorScope()]
    this.checks.push(
      Promise.all(errors).then((found) => {
        const error = found.find((e) => e !== null)
        if (error) this.lose(error.message, trouble)
      }),
    )
    return made
  }
}

/** There is no adapter. */
export class NoGpu extends Error {}
