// The files of the release: each is fetched once, verified, and kept, so that it can be handed in again after a crash
// even if the network is gone by then.
import type { Model, Pinned, Release } from '../protocol.js'
import { fetchPinned, type Progress } from './pinned.js'

interface Entry {
  loaded: Promise<{ first: ArrayBuffer | undefined; kept: Blob }>
  failed: boolean
}

export class Library {
  private readonly entries = new Map<string, Entry>()

  constructor(private readonly progress: Progress) {}

  /** Starts fetching what is not there yet, and anew what failed, past any cache. */
  want(files: Pinned[]): void {
    for (const file of files) {
      const before = this.entries.get(file.url)
      if (before !== undefined && !before.failed) continue
      const entry = { loaded: this.fetch(file, before !== undefined), failed: false }
      entry.loaded.catch(() => (entry.failed = true)) // take reports it
      this.entries.set(file.url, entry)
    }
  }

  /** A buffer of a wanted file's bytes, which the caller may give away. */
  async take(file: Pinned): Promise<ArrayBuffer> {
    const loaded = await this.entries.get(file.url)!.loaded
    const { first } = loaded
    loaded.first = undefined
    return first ?? loaded.kept.arrayBuffer()
  }

  /** The verified files so far, for storage. */
  async verified(): Promise<[url: string, bytes: Blob][]> {
    const sound = [...this.entries].filter(([, { failed }]) => !failed)
    return Promise.all(sound.map(async ([url, { loaded }]): Promise<[string, Blob]> => [url, (await loaded).kept]))
  }

  private async fetch(file: Pinned, again: boolean): Promise<{ first: ArrayBuffer | undefined; kept: Blob }> {
    const first = await fetchPinned(file, again, this.progress)
    return { first, kept: new Blob([first]) }
  }
}

export function runtimeFiles(release: Release): Pinned[] {
  return [release.frame, release.worker, release.module]
}

export function modelFiles(model: Model): Pinned[] {
  return [model.manifest, ...model.shards]
}
