// The files of the release: each is fetched, verified, and handed in. Small ones are kept, so that they can be handed in
// again after a crash even if the network is gone by then. A large model's shards are not: the browser's caches have them.
import type { Model, Pinned } from '../protocol.js'
import { fetchPinned, type Progress } from './pinned.js'

const KEPT = 16 << 20 // bytes of shards that a model may have for them to be kept

interface Entry {
  /** In memory until it is put aside as a blob, which the browser may keep on disk. */
  loaded: Promise<ArrayBuffer | Blob>
  state: 'loading' | 'loaded' | 'failed'
}

export class Library {
  private readonly entries = new Map<string, Entry>()
  /** What was given away, and is then asked of the browser's caches only: see the README on what a server learns. */
  private readonly given = new Set<string>()

  constructor(private readonly progress: Progress) {}

  /** Starts fetching what is not there yet; with `again`, also what failed, past any cache. */
  want(files: Pinned[], again: boolean): void {
    for (const file of files) {
      const before = this.entries.get(file.url)
      if (before !== undefined && !(again && before.state === 'failed')) continue
      const source = before !== undefined ? 'reload' : this.given.has(file.url) && !again ? 'only-if-cached' : 'default'
      const entry: Entry = { loaded: fetchPinned(file, source, this.progress), state: 'loading' }
      entry.loaded.then(
        () => (entry.state = 'loaded'),
        () => (entry.state = 'failed'), // whoever takes it reports it
      )
      this.entries.set(file.url, entry)
    }
  }

  /** A copy of a wanted file's bytes, which the caller may give away. */
  async take(file: Pinned): Promise<ArrayBuffer> {
    const loaded = await this.entries.get(file.url)!.loaded
    return loaded instanceof Blob ? loaded.arrayBuffer() : loaded.slice(0)
  }

  /** A wanted file's bytes themselves: to be had again it must be wanted again. */
  async give(file: Pinned): Promise<ArrayBuffer> {
    const loaded = await this.entries.get(file.url)!.loaded
    this.entries.delete(file.url)
    this.given.add(file.url)
    return loaded instanceof Blob ? loaded.arrayBuffer() : loaded
  }

  /** Puts aside the verified files so far, and answers with them. */
  async putAside(): Promise<[url: string, bytes: Blob][]> {
    const sound = [...this.entries].filter(([, { state }]) => state === 'loaded')
    return Promise.all(
      sound.map(async ([url, entry]): Promise<[string, Blob]> => {
        const loaded = await entry.loaded
        const aside = loaded instanceof Blob ? loaded : new Blob([loaded])
        entry.loaded = Promise.resolve(aside)
        return [url, aside]
      }),
    )
  }
}

/** Whether a model's shards are kept. */
export function kept(model: Model): boolean {
  return total(model.shards) <= KEPT
}

export function total(files: Pinned[]): number {
  return files.reduce((sum, file) => sum + file.size, 0)
}
