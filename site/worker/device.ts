// A device for bedside.wasm: SIMD kernels in WebAssembly modules of their own, over memory of their own. kernels/simd/ABI.md
// says how the two speak.
import { MOST_THREADS, type Serving, type Variant } from '../protocol.js'
import { startHelper } from './helper.js'
import { instantiate, type Kernels } from './kernels.js'

/** What bedside.wasm asks of a device of its host. */
export interface Device {
  readonly memory: WebAssembly.Memory
  readonly threads: number
  readonly serving: Serving
  /** At least so many bytes of memory from now on, new ones zero; false when refused. */
  reserve(bytes: number): boolean
  /** 0 done, 1 the device is lost, 2 the program is malformed. */
  run(program: number): number
  close(): void
}

const PAGE = 65536
const FIRST = 2 // pages that kernels want at least
const LARGEST = 65536 // pages: all of 32-bit addresses
const SMALLEST = 4096 // pages: a browser that grants less shared memory is asked for none

export class SimdDevice implements Device {
  readonly memory: WebAssembly.Memory
  readonly serving: Serving
  /** Resolves when every thread can help. Running need not wait for that. */
  readonly ready: Promise<unknown>

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

  run(program: number): number {
    if (this.lost) return 1
    for (const helper of this.helpers) helper.postMessage('wake')
    let answer: number
    try {
      answer = this.instance.run(program)
    } catch {
      answer = 1 // the kernels trapped: their memory is not what they expect
    }
    if (answer === 1) this.close()
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
        if (!this.lost) this.helpers.push(helper)
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
