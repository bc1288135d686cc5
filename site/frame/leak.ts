// Tries every ordinary way out of the frame, with a harmless marker in place of a note, and reports what became of it.

export interface Attempt {
  way: string
  refused: boolean
  /** What refused it, as far as the frame can tell. */
  detail: string
}

/** Where the attempts aim, relative to the page. */
export const TARGET = 'leak-test'

const GRACE = 250 // milliseconds that a refusal may take to be reported

type Way = (url: string) => Promise<boolean> | boolean

/** Each answers whether something seemed to get out. */
const WAYS: [name: string, way: Way][] = [
  ['fetch', (url) => fetch(url, { mode: 'no-cors' }).then(() => true, () => false)],
  ['XMLHttpRequest', viaXHR],
  ['WebSocket', viaWebSocket],
  ['EventSource', viaEventSource],
  ['navigator.sendBeacon', viaBeacon],
  ['Image', (url) => viaElement(Object.assign(new Image(), { src: url }))],
  ['Script', (url) => viaElement(Object.assign(document.createElement('script'), { src: url }))],
  ['Style sheet', (url) => viaElement(Object.assign(document.createElement('link'), { rel: 'stylesheet', href: url }))],
  ['Pop-up window', (url) => window.open(url) !== null],
  ['WebRTC', () => 'RTCPeerConnection' in window && typeof RTCPeerConnection === 'function'],
]

/** Aims at the page's own server, since any other name would be one more thing to trust. */
export async function tryToLeak(base: string): Promise<Attempt[]> {
  const attempts: Attempt[] = []
  for (const [name, way] of WAYS) attempts.push(await attempt(name, way, `${base}${TARGET}?canary=${attempts.length}`))
  return attempts
}

async function attempt(name: string, way: Way, url: string): Promise<Attempt> {
  const directives = new Set<string>()
  const witness = (event: SecurityPolicyViolationEvent) => directives.add(event.effectiveDirective)
  document.addEventListener('securitypolicyviolation', witness)
  let out: boolean
  try {
    out = await way(url)
  } catch {
    out = false
  }
  await new Promise((resolve) => setTimeout(resolve, GRACE))
  document.removeEventListener('securitypolicyviolation', witness)
  const refused = !out || directives.size > 0
  return { way: name, refused, detail: refused ? why(name, [...directives]) : 'not refused' }
}

function why(name: string, directives: string[]): string {
  if (directives.length > 0) return `policy: ${directives.join(', ')}`
  return name === 'WebRTC' ? 'removed from this frame' : 'sandbox'
}

function viaXHR(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest()
    request.onload = () => resolve(true)
    request.onerror = () => resolve(false)
    request.open('POST', url)
    request.send('canary')
  })
}

function viaWebSocket(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url.replace(/^http/, 'ws'))
    socket.onopen = () => resolve(true)
    socket.onerror = () => resolve(false)
  })
}

function viaEventSource(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const source = new EventSource(url)
    const end = (out: boolean) => {
      source.close()
      resolve(out)
    }
    source.onopen = () => end(true)
    source.onerror = () => end(false)
  })
}

/** Chromium answers true even where the policy stops the beacon: the violation tells. */
function viaBeacon(url: string): boolean {
  return navigator.sendBeacon(url, 'canary')
}

function viaElement(element: HTMLElement): Promise<boolean> {
  return new Promise((resolve) => {
    element.onload = () => resolve(true)
    element.onerror = () => resolve(false)
    if (!(element instanceof HTMLImageElement)) document.head.append(element)
    setTimeout(() => resolve(false), GRACE)
  }).then((out) => {
    element.remove()
    return out as boolean
  })
}
