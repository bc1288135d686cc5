// A thread that helps the kernels of a device.

/** To a helper: first its kernels, and then anything to wake it. It answers once, when it can help. */
export interface Task {
  module: WebAssembly.Module
  memory: WebAssembly.Memory
  thread: number
}

export function startHelper(task: Task): Worker {
  const script = `(${help.toString()})()`
  const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }))
  const helper = new Worker(url, { name: `kernels ${task.thread}` })
  URL.revokeObjectURL(url)
  helper.postMessage(task)
  return helper
}

/** The helper's whole script: its text alone goes there, so it names nothing outside itself. */
function help(): void {
  onmessage = ({ data }: MessageEvent<Task>) => {
    const { module, memory, thread } = data
    const { exports } = new WebAssembly.Instance(module, { kernels: { memory } })
    const assist = exports['help'] as (thread: number) => void
    onmessage = () => assist(thread)
    postMessage('ready')
  }
}
