// The service worker: answers with what the page stored after verifying it, and fetches nothing on its own account.
// It knows no version: the page writes the cache, this reads it.
declare const self: ServiceWorkerGlobalScope

const CACHE = 'bedside' // as in outer/offline.ts
const PATIENCE = 3000 // milliseconds to wait for a fresh page before the stored one is shown

/** What the browser can do without starting this worker first, where it knows how: see stored and fresh. */
interface Routing extends ExtendableEvent {
  addRoutes?(routes: { condition: object; source: string | { cacheName: string } }[]): Promise<void>
}

self.addEventListener('install', (event: Routing) => {
  void self.skipWaiting()
  const { pathname } = new URL(self.registration.scope)
  const routes = event.addRoutes?.([
    { condition: { requestMode: 'navigate' }, source: 'race-network-and-fetch-handler' },
    { condition: { urlPattern: { pathname: pathname + 'assets/*', search: '' } }, source: { cacheName: CACHE } },
    { condition: { urlPattern: { pathname: pathname + 'weights/*', search: '' } }, source: { cacheName: CACHE } },
  ])
  // A browser that does not know these routes starts the worker, which does the same.
  if (routes !== undefined) event.waitUntil(routes.catch(() => {}))
})
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))

self.addEventListener('fetch', (event) => {
  const { request } = event
  const { scope } = self.registration
  if (request.method !== 'GET' || !request.url.startsWith(scope)) return
  const path = request.url.slice(scope.length).replace(/[?#].*$/, '')
  const page = path === '' || path === 'index.html'
  if (request.mode === 'navigate') {
    if (page) event.respondWith(fresh(request, scope))
  } else if (page) event.respondWith(current(request, scope))
  else event.respondWith(stored(request))
})

async function stored(request: Request): Promise<Response> {
  if (request.cache === 'reload') return fetch(request) // the page found fault with what it got
  return (await lookUp(request.url)) ?? fetch(request)
}

/** The page from the network, or the stored one when the network is gone, broken or slow. */
async function fresh(request: Request, scope: string): Promise<Response> {
  const network = fetch(request)
  const page = await lookUp(scope)
  if (page === undefined) return network
  const sound = network.then(
    (response) => (response.status < 500 ? response : page),
    () => page,
  )
  const late = new Promise<Response>((resolve) => setTimeout(resolve, PATIENCE, page))
  return Promise.race([sound, late])
}

/** The page as the browser has just received it, for storing: never the one stored before, while there is a newer. */
async function current(request: Request, scope: string): Promise<Response> {
  try {
    return await fetch(request)
  } catch (error) {
    const page = await lookUp(scope)
    if (page === undefined) throw error
    return page
  }
}

async function lookUp(url: string): Promise<Response | undefined> {
  try {
    return await (await caches.open(CACHE)).match(url)
  } catch {
    return undefined // storage refused
  }
}
export {}
