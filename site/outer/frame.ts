// The inner frame, seen from outside: a sandbox that files go into, and that a few fixed words come out of.
import { LISTENING, type FromFrame, type Hello, type ToFrame } from '../protocol.js'

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

/** Copies the two fields that a message may have, if they are what they may be; anything else is not heard. */
function understand(data: unknown, models: number): FromFrame | undefined {
  if (typeof data !== 'object' || data === null || !('kind' in data) || !('model' in data)) return undefined
  const { kind, model } = data
  if (kind !== 'ready' && kind !== 'load' && kind !== 'restart') return undefined
  if (!Number.isInteger(model) || (model as number) < 0 || (model as number) >= models) return undefined
  return { kind, model: model as number }
}
