// Makes the page work without a network from its second visit on. Everything here may be refused, and then the page
// works as before, online.
import type { Offline, Pinned } from '../protocol.js'
import { release } from '../release.js'
import { fetchPinned } from './pinned.js'

const CACHE = 'bedside' // as in offline/sw.ts

export class OfflineStore {
  private readonly page = new URL('./', location.href).href
  private readonly html: Promise<Response> | undefined
  /** Icon and web manifest, which the browser itself asks for whenever the page opens. */
  private readonly links: Promise<Response>[] = []
  private readonly registration: Promise<unknown> | undefined

  /** Resolves when every request that storing needs, but for those of storeCached, has been answered. */
  readonly requested: Promise<unknown> = Promise.resolve()

  /** Some file could not be stored. */
  private incomplete = false

  /** Makes the requests that storing needs, so that none is left for later. */
  constructor() {
    if (!('serviceWorker' in navigator) || !('caches' in globalThis)) return
    // The browser has just received the page: it answers this from its cache.
    this.html = fetch(this.page, { cache: 'force-cache', credentials: 'omit', redirect: 'error' })
    this.registration = navigator.serviceWorker.register('./sw.js', { updateViaCache: 'none' })
    for (const { href } of document.querySelectorAll<HTMLLinkElement>('link[href]')) this.links.push(fetch(href))
    // store deals with what fails here.
    this.requested = Promise.allSettled([this.html, this.registration, ...this.links])
  }

  /**
   * Stores files that are no longer in memory, out of the browser's own cache, one at a time. They are not asked of the
   * server a second time: where the browser has not kept them, the page goes without.
   */
  async storeCached(files: Iterable<Pinned>): Promise<void> {
    if (this.html === undefined || this.registration === undefined) return
    try {
      await this.registration
      const cache = await caches.open(CACHE)
      for (const file of files) {
        const full = new URL(file.url, this.page).href
        if ((await cache.match(full)) !== undefined) continue
        const bytes = await fetchPinned(file, 'only-if-cached', () => {})
        await cache.put(full, new Response(bytes))
        release(bytes)
      }
    } catch {
      this.incomplete = true
    }
  }

  /**
   * Stores the verified files, then the page that names them, then forgets what `release`, the text in the page, no
   * longer names.
   */
  async store(files: [url: string, bytes: Blob][], release: string): Promise<Offline> {
    if (this.html === undefined || this.registration === undefined) return 'unsupported'
    if (this.incomplete) return 'refused'
    try {
      await this.registration
      const cache = await caches.open(CACHE)
      const known = new Set((await cache.keys()).map((request) => request.url))
      for (const [url, bytes] of files) {
        const full = new URL(url, this.page).href
        if (!known.has(full)) await cache.put(full, new Response(bytes))
      }
      for (const link of await Promise.all(this.links)) {
        known.delete(link.url)
        await cache.put(link.url, link.clone())
      }
      const html = (await this.html).clone()
      // A page published meanwhile names other files: the next visit stores it.
      if (!html.ok || !(await html.clone().text()).includes(release)) return 'refused'
      await cache.put(this.page, html)
      for (const url of known) {
        const named = release.includes(`"${url.slice(this.page.length)}"`)
        if (url !== this.page && !named) await cache.delete(url)
      }
      return 'stored'
    } catch {
      return 'refused'
    }
  }
}
