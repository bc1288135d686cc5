// The builds of the SIMD kernels: which of them this browser runs, and which is the quickest on this machine. What a build
// imports and exports is in kernels/simd/ABI.md.
import { VARIANTS, type Variant } from '../protocol.js'

interface Exports extends WebAssembly.Exports {
  run(program: number): number
  probe(rounds: number): number
}

const PROBED_PAGES = 2 // the memory that probing needs
const WARM = 4 // milliseconds a variant runs before it is timed: V8 compiles it better meanwhile, on another thread
const TIMED = 1 // milliseconds of one timing, of which the clock of a page that is not isolated shows ten steps
const CALM = 3 // rounds of timings without news that end the race: a variant gets faster when its better code arrives
const NEWS = 0.9 // of a variant's best so far
const PATIENCE = 100 // milliseconds that the race may take

export class Kernels {
  private readonly compiled = new Map<string, WebAssembly.Module | undefined>()
  private readonly warmed = new Map<boolean, Runner[]>()
  private readonly chosen = new Map<boolean, Variant | undefined>()

  private constructor(private readonly builds: ReadonlyMap<string, ArrayBuffer>) {}

  /** Takes apart kernels.wasm of the release, see tools/page/kernels.go. */
  static load(pack: BufferSource): Kernels {
    const module = new WebAssembly.Module(pack)
    const builds = new Map<string, ArrayBuffer>()
    for (const variant of VARIANTS) {
      for (const shared of [false, true]) {
        const [build] = WebAssembly.Module.customSections(module, file(variant, shared))
        if (build !== undefined) builds.set(file(variant, shared), build)
      }
    }
    return new Kernels(builds)
  }

  /** A compiled build; undefined where this browser lacks its instructions. */
  module(variant: Variant, shared: boolean): WebAssembly.Module | undefined {
    const name = file(variant, shared)
    if (!this.compiled.has(name)) {
      const build = this.builds.get(name)
      const able = build !== undefined && WebAssembly.validate(build)
      this.compiled.set(name, able ? new WebAssembly.Module(build) : undefined)
    }
    return this.compiled.get(name)
  }

  /** Prepares for quickest, which sees the better code the more time passes in between. */
  warm(shared: boolean): Runner[] {
    const before = this.warmed.get(shared)
    if (before !== undefined) return before
    const runners = VARIANTS.flatMap((variant) => {
      const module = this.module(variant, shared)
      return module === undefined ? [] : [new Runner(variant, module, shared)]
    })
    this.warmed.set(shared, runners)
    // In turns, so that one is compiled while another runs.
    for (const end = performance.now() + WARM * runners.length; performance.now() < end; ) {
      for (const runner of runners) runner.run()
    }
    return runners
  }

  /** The variant that is quickest here, by trial, and reckons as plain SIMD does; undefined where none runs. */
  quickest(shared: boolean): Variant | undefined {
    if (!this.chosen.has(shared)) this.chosen.set(shared, race(this.warm(shared)))
    return this.chosen.get(shared)
  }
}

/** Times all in turn. The best timing of each counts, for what disturbs one makes it longer. */
function race(runners: Runner[]): Variant | undefined {
  const end = performance.now() + PATIENCE
  for (let calm = 0; calm < CALM && performance.now() < end; calm++) {
    for (const runner of runners) if (runner.time()) calm = -1
  }
  const right = runners[0]?.sum
  const sound = runners.filter(({ sum }) => sum === right)
  return sound.sort((a, b) => a.best - b.best)[0]?.variant
}

/** A variant that is being probed. */
class Runner {
  /** Of the last run, or NaN once two have differed: some engines get relaxed SIMD wrong, and better code may more. */
  sum: number | undefined
  /** Milliseconds a round. */
  best = Infinity
  private rounds = 1
  private readonly probe: Exports['probe']

  constructor(
    readonly variant: Variant,
    module: WebAssembly.Module,
    shared: boolean,
  ) {
    const memory = new WebAssembly.Memory(
      shared ? { initial: PROBED_PAGES, maximum: PROBED_PAGES, shared } : { initial: PROBED_PAGES },
    )
    this.probe = instantiate(module, memory).probe
  }

  run(): void {
    const sum = this.probe(this.rounds)
    this.sum = this.sum === undefined || this.sum === sum ? sum : NaN
  }

  /** True when it has never been nearly as quick. */
  time(): boolean {
    for (;;) {
      const begun = performance.now()
      this.run()
      const took = performance.now() - begun
      if (took < TIMED) this.rounds *= 2
      else {
        const before = this.best
        this.best = Math.min(before, took / this.rounds)
        return this.best < NEWS * before
      }
    }
  }
}

export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Exports {
  return new WebAssembly.Instance(module, { kernels: { memory } }).exports as Exports
}

function file(variant: Variant, shared: boolean): string {
  return `${variant}-${shared ? 'shared' : 'single'}`
}
