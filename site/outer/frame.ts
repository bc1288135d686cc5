// The inner frame, seen from outside: a sandbox that files go into, and that a few fixed words come out of.
import { CROSSOVERS, LISTENING, type FromFrame, type Hello, type ToFrame } from '../protocol.js'

export class Frame {
  private constructor(private readonly port: MessagePort) {}

  /** Creates the frame from its document and opens the port to it. */
  static async open(html: string, place: Element, hello: Hello, hear: (message: FromFrame) => void): Promise<Frame> {
    const iframe = document.createElement('iframe')
    iframe.setAttribute('sandbox', 'allow-scripts')
    iframe.setAttribute('allow', 'cross-origin-isolated')
    iframe.title = 'Classify a note'
    iframe.srcdoc = html
    const listening = new Promise<void>((resolve) => {
      addEventListener('message', function hear({ source, data }) {
        if (source !== iframe.contentWindow || data !== LISTENING) return
        removeEventListener('message', hear)
        resolve()
      })
    })
    place.replaceChildren(iframe)
    await listening // its load event comes only after everything else it does
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = ({ data }) => {
      const message = understand(data, hello.models.length)
      if (message !== undefined) hear(message)
    }
    iframe.contentWindow!.postMessage(hello, '*', [port2])
    return new Frame(port1)
  }

  send(message: ToFrame): void {
    this.port.postMessage(message, 'bytes' in message ? [message.bytes] : [])
  }
}

/** Copies the few fields that a message may have, if they are what they may be; anything else is not heard. */
function understand(data: unknown, models: number): FromFrame | undefined {
  if (typeof data !== 'object' || data === null || !('kind' in data) || !('model' in data)) return undefined
  const { kind } = data
  const model = Number(data.model)
  if (!Number.isInteger(data.model) || model < 0 || model >= models) return undefined
  if (kind === 'ready' || kind === 'load' || kind === 'restart') return { kind, model }
  const crossover = CROSSOVERS.find((word) => 'crossover' in data && word === data.crossover)
  return kind === 'crossover' && crossover !== undefined ? { kind, model, crossover } : undefined
}
