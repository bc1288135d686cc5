let kernels, thread

onmessage = async ({ data }) => {
  if (data.module) {
    kernels = (await WebAssembly.instantiate(data.module, { kernels: { memory: data.memory } })).exports
    thread = data.thread
    postMessage({})
    return
  }
  kernels.help(thread)
}
