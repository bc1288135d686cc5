// The inner frame, seen from outside: a sandbox that files go into, and that a few fixed words come out of.
import type { FromFrame, Hello, ToFrame } from '../protocol.js'

export class Frame {
  private constructor(private readonly port: MessagePort) {}

  /** Creates the frame from its verified document and opens the port to it. */
  static async open(html: string, place: Element, hello: Hello, hear: (message: FromFrame) => void): Promise<Frame> {
    const iframe = document.createElement('iframe')
    iframe.setAttribute('sandbox', 'allow-scripts')
    iframe.setAttribute('allow', 'cross-origin-isolated')
    iframe.title = 'Classify a note'
    iframe.srcdoc = html
    const loaded = new Promise((resolve) => iframe.addEventListener('load', resolve, { once: true }))
    place.replaceChildren(iframe)
    await loaded
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
