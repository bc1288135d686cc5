/**
 * Gives a buffer's memory back at once, by sending it nowhere. What has come in a message, or gone into a browser's own
 * function, is held by the browser too until the collector next sees a need to run, and a model may have piled up by then.
 */
export function release(bytes: ArrayBuffer): void {
  const { port1, port2 } = new MessageChannel()
  port2.close()
  port1.postMessage(undefined, [bytes])
  port1.close()
}
