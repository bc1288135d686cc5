// The thread that runs programs: a message in, an answer out. Helpers share its memory.
let memory, kernels, helpers = []

const reserve = bytes => {
  const more = Math.ceil((bytes - memory.buffer.byteLength) / 65536)
  if (more > 0) memory.grow(more)
}

const handlers = {
  async start({ wasm, threads }) {
    const shared = threads > 0
    memory = new WebAssembly.Memory(shared ? { initial: 2, maximum: 65536, shared } : { initial: 2 })
    const module = await WebAssembly.compile(Uint8Array.from(atob(wasm), c => c.charCodeAt(0)))
    kernels = (await WebAssembly.instantiate(module, { kernels: { memory } })).exports
    for (let thread = 1; thread < threads; thread++) {
      const helper = new Worker('/helper.js')
      const ready = new Promise(done => { helper.onmessage = done })
      helper.postMessage({ module, memory, thread })
      await ready
      helpers.push(helper)
    }
  },
  reserve: ({ bytes }) => reserve(bytes),
  write({ to, data }) {
    new Uint8Array(memory.buffer).set(Uint8Array.from(atob(data), c => c.charCodeAt(0)), to)
  },
  read({ from, length }) {
    const bytes = new Uint8Array(memory.buffer).slice(from, from + length)
    let text = ''
    for (let i = 0; i < length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192))
    return btoa(text)
  },
  run: ({ program }) => run(program),
  betray: ({ program }) => {
    helpers[0].postMessage({ betray: true })
    return kernels.run(program)
  },
  probe: ({ rounds }) => {
    const started = performance.now()
    const sum = kernels.probe(rounds)
    return { sum, ms: performance.now() - started }
  },
  time({ program, rounds }) {
    const times = []
    for (let i = 0; i < rounds; i++) {
      const started = performance.now()
      if (run(program) !== 0) throw new Error('the run failed')
      times.push(performance.now() - started)
    }
    return times
  },
}

function run(program) {
  for (const helper of helpers) helper.postMessage({})
  return kernels.run(program)
}

onmessage = async ({ data }) => {
  try {
    postMessage({ id: data.id, answer: await handlers[data.kind](data) })
  } catch (error) {
    postMessage({ id: data.id, error: String(error) })
  }
}
