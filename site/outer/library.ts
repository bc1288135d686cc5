// The files of the release: each is fetched once, verified, and kept, so that it can be handed in again after a crash
// even if the network is gone by then.
import type { Model, Pinned } from '../protocol.js'
import { fetchPinned, type Progress } from './pinned.js'

interface Entry {
  /** In memory until it is put aside as a blob, which the browser may keep on disk. */
  loaded: Promise<ArrayBuffer | Blob>
  state: 'loading' | 'loaded' | 'failed'
}

export class Library {
  private readonly entries = new Map<string, Entry>()

  constructor(private readonly progress: Progress) {}

  /** Starts fetching what is not there yet, and anew what failed, past any cache. */
  want(files: Pinned[]): void {
    for (const file of files) {
      const before = this.entries.get(file.url)
      if (before !== undefined && before.state !== 'failed') continue
      const entry: Entry = { loaded: fetchPinned(file, before !== undefined, this.progress), state: 'loading' }
      entry.loaded.then(
        () => (entry.state = 'loaded'),
        () => (entry.state = 'failed'), // take reports it
      )
      this.entries.set(file.url, entry)
    }
  }

  /** A copy of a wanted file's bytes, which the caller may give away. */
  async take(file: Pinned): Promise<ArrayBuffer> {
    const loaded = await this.entries.get(file.url)!.loaded
    return loaded instanceof Blob ? loaded.arrayBuffer() : loaded.slice(0)
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

export function modelFiles(model: Model): Pinned[] {
  return [model.manifest, ...model.shards]
}
