// Watches what this document asks of the network, for the details view in the frame.
import type { Offline, Request, Witness } from '../protocol.js'

export class Observer {
  /** By start and address: the browser reports the page itself twice, before and after it has arrived. */
  private readonly requests = new Map<string, Request>()
  private offline: Offline = 'pending'
  private readyAt = Infinity

  constructor(private readonly report: (witness: Witness) => void) {
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) this.note(entry as PerformanceResourceTiming)
      this.send()
    })
    observer.observe({ type: 'navigation', buffered: true })
    observer.observe({ type: 'resource', buffered: true })
  }

  ready(): void {
    this.readyAt = Math.min(this.readyAt, performance.now())
  }

  stored(offline: Offline): void {
    this.offline = offline
    this.send()
  }

  send(): void {
    const requests = Array.from(this.requests.values(), (request) => ({ ...request, afterReady: request.at > this.readyAt }))
    this.report({ requests, ready: this.readyAt < Infinity, offline: this.offline })
  }

  private note(entry: PerformanceResourceTiming): void {
    const page = new URL('./', location.href).href
    const url = entry.name.startsWith(page) ? './' + entry.name.slice(page.length).replace(/[?#].*$/, '') : entry.name
    this.requests.set(`${entry.startTime} ${url}`, { url, transferred: entry.transferSize, at: entry.startTime, afterReady: false })
  }
}
