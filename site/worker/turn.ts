/** Lets the messages that have arrived be heard. A timer would do, but would wait four milliseconds. */
export function turnOver(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(undefined)
  })
}
