// Which device of the CPU an encoder gets: what the page's address asks for, or else the quickest kernels on as many threads
// as pay.
import { MEASURED, VARIANTS, type Variant, type Wish } from '../protocol.js'
import { SimdDevice, usualThreads } from './device.js'
import { Kernels } from './kernels.js'
import { Refusal } from './module.js'

const DOUBT = 2 // devices lost, from which on threads are suspected

export class Devices {
  private kernels: Kernels | undefined
  private wish: Wish = {}
  private mayHaveGpu = false
  private losses = 0

  /** Takes the kernels and warms them up, while the model is still on its way. With `gpu`, the frame may have some. */
  take(pack: ArrayBuffer, wish: Wish, gpu: boolean): void {
    this.kernels = Kernels.load(pack)
    this.wish = wish
    this.mayHaveGpu = gpu
    if (this.wish.device !== 'reference' && this.wished() === undefined) this.kernels.warm(this.threads() > 1)
  }

  /** Whether encoders are to run on a GPU too: in any case, where that is measured to be quicker, or not. */
  get gpu(): 'asked' | 'measured' | undefined {
    const { device } = this.wish
    if (device === 'webgpu') return 'asked'
    return this.mayHaveGpu && (device === undefined || device === MEASURED) ? 'measured' : undefined
  }

  /** A device for one model; undefined for the module's own reference. */
  create(): SimdDevice | undefined {
    if (this.kernels === undefined || this.wish.device === 'reference') return undefined
    const threads = this.threads()
    const shared = threads > 1 ? this.make(this.kernels, threads) : undefined
    return shared ?? this.make(this.kernels, 1)
  }

  /** Hears that a device died. */
  lost(): void {
    this.losses++
  }

  /** Undefined where the browser runs no such kernels, or grants no memory that threads can share. */
  private make(kernels: Kernels, threads: number): SimdDevice | undefined {
    const variant = this.wished() ?? kernels.quickest(threads > 1)
    if (variant === undefined) return undefined
    if (kernels.module(variant, threads > 1) === undefined) {
      if (threads > 1) return undefined
      throw new Refusal('bad-device', `this browser lacks the instructions of “simd-${variant}”, which the page's address asks for.`)
    }
    try {
      return new SimdDevice(kernels, { variant, threads })
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      if (threads > 1) return undefined
      throw new Refusal('out-of-memory', 'the browser grants the kernels no memory')
    }
  }

  private wished(): Variant | undefined {
    return VARIANTS.find((variant) => this.wish.device === `simd-${variant}`)
  }

  private threads(): number {
    if (!crossOriginIsolated || this.losses >= DOUBT) return 1
    return this.wish.threads ?? usualThreads()
  }
}
