// What bedside.wasm computes on, and one such device: SIMD kernels in WebAssembly modules of their own, over memory of their
// own. kernels/simd/ABI.md says how the two speak.
import { type GpuLimits, MOST_THREADS, type Serving, type Variant } from '../protocol.js'
import { startHelper } from './helper.js'
import { instantiate, type Kernels } from './kernels.js'

/** What bedside.wasm asks of every device of its host. Ranges outside a device's memory throw. */
export interface Device {
  readonly serving: Serving
  /** At least so many bytes of memory from now on, new ones zero; false when refused. */
  reserve(bytes: number): boolean
  write(to: number, bytes: Uint8Array): void
  /** DONE; LOST; or PENDING, and then again once the device has settled. */
  read(bytes: Uint8Array, from: number): number
  /** Resolves when what was PENDING can be read, or the device is lost. */
  settled(): Promise<void>
  close(): void
}

/** One that runs programs. */
export interface Runner extends Device {
  readonly threads: number
  /** DONE; LOST; or 2, the program is malformed. */
  run(program: number): number
}

/** One that replays lists: a GPU, see kernels/webgpu/ABI.md. */
export interface Recorder extends Device {
  readonly limits: GpuLimits
  /** The number of a pipeline, which is made meanwhile. */
  pipeline(name: string): number
  /** The number of a list. */
  record(words: Uint8Array): number
  /** DONE, or LOST. */
  submit(list: number, params: Uint8Array): number
}

export const DONE = 0
export const LOST = 1
export const PENDING = 2

const PAGE = 65536
const FIRST = 2 // pages that kernels want at least
const LARGEST = 65536 // pages: all of 32-bit addresses
const SMALLEST = 4096 // pages: a browser that grants less shared memory is asked for none

export class SimdDevice implements Runner {
  readonly serving: Serving
  /** Resolves when every thread can help. Running need not wait for that. */
  readonly ready: Promise<unknown>

  private readonly memory: WebAssembly.Memory
  private readonly instance: ReturnType<typeof instantiate>
  private helpers: Worker[] = []
  private lost = false

  /**
   * More than one thread needs a worker that is cross-origin isolated. Throws a RangeError where the browser grants no
   * memory, an Error where it lacks the variant's instructions.
   */
  constructor(kernels: Kernels, { variant, threads }: { variant: Variant; threads: number }) {
    const shared = threads > 1
    const module = kernels.module(variant, shared)
    if (module === undefined) throw new Error(`this browser lacks the instructions of the kernels “${variant}”`)
    this.memory = shared ? sharedMemory() : new WebAssembly.Memory({ initial: FIRST })
    this.instance = instantiate(module, this.memory)
    const helpers = Math.min(threads, MOST_THREADS) - 1
    this.serving = { device: `simd-${variant}`, threads: 1 + helpers }
    this.ready = Promise.all(Array.from({ length: helpers }, (_, n) => this.employ(module, n + 1)))
  }

  get threads(): number {
    return this.serving.threads
  }

  reserve(bytes: number): boolean {
    const missing = Math.ceil(bytes / PAGE) - this.memory.buffer.byteLength / PAGE
    if (missing <= 0) return true
    try {
      this.memory.grow(missing)
      return true
    } catch {
      return false // a RangeError
    }
  }

  write(to: number, bytes: Uint8Array): void {
    new Uint8Array(this.memory.buffer).set(bytes, to)
  }

  read(bytes: Uint8Array, from: number): number {
    const memory = new Uint8Array(this.memory.buffer)
    if (from + bytes.length > memory.length) throw new RangeError('the range lies outside the memory')
    bytes.set(memory.subarray(from, from + bytes.length))
    return DONE
  }

  settled(): Promise<void> {
    return Promise.resolve()
  }

  run(program: number): number {
    if (this.lost) return LOST
    for (const helper of this.helpers) helper.postMessage('wake')
    let answer: number
    try {
      answer = this.instance.run(program)
    } catch {
      answer = LOST // the kernels trapped: their memory is not what they expect
    }
    if (answer === LOST) this.close()
    return answer
  }

  close(): void {
    this.lost = true
    for (const helper of this.helpers) helper.terminate()
    this.helpers = []
  }

  /** Starts a helper; one that fails to start is missed, and one that dies later takes the device with it. */
  private employ(module: WebAssembly.Module, thread: number): Promise<void> {
    return new Promise((resolve) => {
      const helper = startHelper({ module, memory: this.memory, thread })
      let started = false
      helper.onmessage = () => {
        started = true
        if (this.lost) helper.terminate()
        else this.helpers.push(helper)
        resolve()
      }
      helper.onerror = (event) => {
        event.preventDefault() // keeps it out of the console
        helper.terminate()
        if (started) this.close()
        resolve()
      }
    })
  }
}

/** Shared memory must name its largest size, and a browser short of addresses refuses the largest of all. */
function sharedMemory(): WebAssembly.Memory {
  for (let maximum = LARGEST; ; maximum /= 2) {
    try {
      return new WebAssembly.Memory({ initial: FIRST, maximum, shared: true })
    } catch (error) {
      if (!(error instanceof RangeError) || maximum <= SMALLEST) throw error
    }
  }
}

/** As many threads as pay: all of a small machine's, and on a larger one some cores are left to everything else. */
export function usualThreads(): number {
  if (!crossOriginIsolated) return 1
  const cores = navigator.hardwareConcurrency
  return cores <= 4 ? cores : Math.min(cores - 1, 8)
}
