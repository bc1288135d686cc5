// Which device an encoder gets: what the page's address asks for, or else the quickest kernels on as many threads as pay.
import type { Variant, Wish } from '../protocol.js'
import { SimdDevice, usualThreads } from './device.js'
import { Kernels } from './kernels.js'
import { Refusal } from './module.js'

const DOUBT = 2 // devices lost, from which on threads are suspected

export class Devices {
  private kernels: Kernels | undefined
  private wish: Wish = {}
  private losses = 0

  /** Takes the kernels and warms them up, while the model is still on its way. */
  take(pack: ArrayBuffer, wish: Wish): void {
    this.kernels = Kernels.load(pack)
    this.wish = wish
    if (wish.device === undefined) this.kernels.warm(this.threads() > 1)
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
    return this.wish.device?.replace('simd-', '') as Variant | undefined
  }

  private threads(): number {
    if (!crossOriginIsolated || this.losses >= DOUBT) return 1
    return this.wish.threads ?? usualThreads()
  }
}
