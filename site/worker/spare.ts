// What a copy of a model is made of, for as long as it is not known whether there will be one.
import type { Crossover, GpuTrouble } from '../protocol.js'
import { release } from '../release.js'
import type { GpuDevices } from './gpu.js'
import type { Module } from './module.js'
import { Twin } from './twin.js'

export class Spare {
  /** What was measured before; undefined where nothing was. */
  readonly crossover: Promise<Crossover | undefined>
  /** Tokens of the model's window. */
  readonly window: number
  private told!: (crossover: Crossover | undefined) => void
  private shards: Uint8Array<ArrayBuffer>[] | undefined = []

  constructor(private readonly manifest: Uint8Array) {
    const { encoder } = JSON.parse(new TextDecoder().decode(manifest)) as { encoder: { window: { tokens: number } } }
    this.window = encoder.window.tokens
    this.crossover = new Promise((resolve) => (this.told = resolve))
  }

  hear(crossover: Crossover | undefined): void {
    if (crossover === 'never') this.drop()
    this.told(crossover)
  }

  /** Keeps a shard; false where it will not be needed. */
  keep(shard: number, bytes: Uint8Array<ArrayBuffer>): boolean {
    if (this.shards === undefined) return false
    this.shards[shard] = bytes
    return true
  }

  drop(): void {
    this.shards?.forEach(({ buffer }) => release(buffer)) // passes over those that have not come
    this.shards = undefined
  }

  /** Makes the copy, piece by piece: `idle` resolves when it is time for the next. */
  async copy(module: Module, gpus: GpuDevices, idle: () => Promise<void>, changed: (ended: GpuTrouble | undefined) => void): Promise<Twin> {
    const twin = await Twin.open(module, this.manifest, gpus, changed)
    for (const [shard, bytes] of (this.shards ?? []).entries()) {
      await idle()
      twin.add(shard, bytes)
    }
    this.drop()
    await idle()
    await twin.finish()
    return twin
  }
}
