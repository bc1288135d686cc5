// Makes the page work without a network from its second visit on. Everything here may be refused, and then the page
// works as before, online.
import type { Offline } from '../protocol.js'

const CACHE = 'bedside' // as in offline/sw.ts

export class OfflineStore {
  private readonly page = new URL('./', location.href).href
  private readonly html: Promise<Response> | undefined
  /** Icon and web manifest, which the browser itself asks for whenever the page opens. */
  private readonly links: Promise<Response>[] = []
  private readonly registration: Promise<unknown> | undefined

  /** Resolves when every request that storing needs has been answered. */
  readonly requested: Promise<unknown> = Promise.resolve()

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
   * Stores the verified files, then the page that names them, then forgets what `release`, the text in the page, no
   * longer names.
   */
  async store(files: [url: string, bytes: Blob][], release: string): Promise<Offline> {
    if (this.html === undefined || this.registration === undefined) return 'unsupported'
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
