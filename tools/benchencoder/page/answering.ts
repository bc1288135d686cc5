// The other end of Caller, in a worker.
import type { Call, Reply } from './engine.js'

declare const self: DedicatedWorkerGlobalScope

/** Answers calls by the functions of those names, one after another. */
export function answerWith(functions: Record<string, (...parameters: never[]) => unknown>): void {
  let turn: Promise<void> = Promise.resolve()
  self.onmessage = ({ data }: MessageEvent<Call>) => {
    turn = turn.then(async () => {
      let reply: Reply
      try {
        const called = functions[data.name]
        if (called === undefined) throw new Error(`no function ${data.name}`)
        reply = { value: await called(...(data.parameters as never[])) }
      } catch (error) {
        reply = { error: `${data.name}: ${String(error)}` }
      }
      self.postMessage(reply)
    })
  }
}
