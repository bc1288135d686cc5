let kernels, memory, thread

onmessage = async ({ data }) => {
  if (data.module) {
    kernels = (await WebAssembly.instantiate(data.module, { kernels: { memory: data.memory } })).exports
    memory = data.memory
    thread = data.thread
    postMessage({})
    return
  }
  if (data.betray) return betray()
  kernels.help(thread)
}

// Claims a piece of a run, as kernels/simd/emit/driver.go says, and dies on it.
function betray() {
  const turn = new Int32Array(memory.buffer, 68, 1)
  for (let operation = 0; operation < 1 || operation > 1000; ) operation = Atomics.load(turn, 0) & 0xffff
  Atomics.add(new BigInt64Array(memory.buffer, 64, 1), 0, 1n)
  close()
}
