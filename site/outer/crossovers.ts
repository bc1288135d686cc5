// Remembers from one visit to the next from which length on the GPU is the quicker, by GPU, model and kernels. The browser
// may refuse to: then it is measured on every visit.
import { CROSSOVERS, type Crossover } from '../protocol.js'

const PREFIX = 'bedside-crossover ' // before the hash of the model's manifest

interface Remembered {
  gpu: string
  kernels: string
  crossover: Crossover
}

export class Crossovers {
  private gpu: Promise<string | undefined> | undefined

  /** With `software`, a GPU made of software counts too. */
  constructor(
    private readonly kernels: string,
    private readonly software: boolean,
  ) {}

  /** What was measured of a model; 'never' where there is no GPU, undefined where it must be measured. */
  async get(manifest: string): Promise<Crossover | undefined> {
    const gpu = await (this.gpu ??= this.name())
    if (gpu === undefined) return 'never'
    try {
      const found = JSON.parse(localStorage.getItem(PREFIX + manifest) ?? 'null') as Remembered | null
      if (found?.gpu !== gpu || found.kernels !== this.kernels) return undefined
      return CROSSOVERS.find((word) => word === found.crossover)
    } catch {
      return undefined
    }
  }

  async put(manifest: string, crossover: Crossover): Promise<void> {
    const gpu = await this.gpu
    if (gpu === undefined) return
    const remembered: Remembered = { gpu, kernels: this.kernels, crossover }
    try {
      localStorage.setItem(PREFIX + manifest, JSON.stringify(remembered))
    } catch {
      // it will be measured again
    }
  }

  private async name(): Promise<string | undefined> {
    try {
      const info = (await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' }))?.info
      if (info === undefined || (info.isFallbackAdapter && !this.software)) return undefined
      return [info.vendor, info.architecture, info.device, info.description].join(' ')
    } catch {
      return undefined
    }
  }
}
