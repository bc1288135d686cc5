// Counts what this window or worker asks of GPUs.
import type { Asked } from './engine.js'

let asked: Asked | undefined

/** Counts from now on, where there is WebGPU. */
export function count(): void {
  if (typeof GPUQueue === 'undefined' || asked !== undefined) return
  asked = { dispatches: 0, submits: 0, readBacks: 0 }
  const add = (what: keyof Asked) => () => void asked![what]++
  before(GPUComputePassEncoder.prototype, 'dispatchWorkgroups', add('dispatches'))
  before(GPUComputePassEncoder.prototype, 'dispatchWorkgroupsIndirect', add('dispatches'))
  before(GPUQueue.prototype, 'submit', add('submits'))
  before(GPUBuffer.prototype, 'mapAsync', (mode) => void (mode === GPUMapMode.READ && asked!.readBacks++))
}

/** What was asked for since the last call. */
export function taken(): Asked | undefined {
  const since = asked && { ...asked }
  if (asked !== undefined) Object.assign(asked, { dispatches: 0, submits: 0, readBacks: 0 })
  return since
}

function before<K extends string>(prototype: Record<K, (...given: never[]) => unknown>, name: K, hear: (first: unknown) => void): void {
  const method = prototype[name]
  prototype[name] = function (this: unknown, ...given: never[]) {
    hear(given[0])
    return method.apply(this, given)
  }
}
