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
  const claim = new BigInt64Array(memory.buffer, 64, 1)
  for (let piece = Infinity; piece > 1; ) {
    const before = Atomics.load(turn, 0)
    while (Atomics.load(turn, 0) === before);
    const operation = Atomics.load(turn, 0) & 0xffff
    if (operation > 0 && operation < 1000) piece = Number(Atomics.add(claim, 0, 1n) & 0xffffffffn)
  }
  close()
}
