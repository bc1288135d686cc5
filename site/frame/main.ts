import './seal.js'
import { LISTENING, type Hello } from '../protocol.js'
import { BedsideClassifier } from './classifier.js'
import { Engine, startWorker } from './engine.js'

// Starting the worker and passing the files on need this thread for moments, drawing the page for longer: so drawing
// waits until the files have gone by, and then goes on beside the worker. Files that take their time are not waited for.
const DRAW_BY = 150 // milliseconds
const TAG = 'bedside-classifier'

const element = document.querySelector<BedsideClassifier>(TAG)!
const script = JSON.parse(document.getElementById('worker')!.textContent!) as string
const worker = startWorker(script)
setTimeout(draw, DRAW_BY)

addEventListener('message', function hear({ source, data, ports }: MessageEvent<Hello>) {
  if (source !== parent || data.kind !== 'hello' || ports[0] === undefined) return
  removeEventListener('message', hear)
  element.engine = new Engine(data, ports[0], worker, () => startWorker(script))
  element.engine.addEventListener('fed', draw, { once: true })
  if (data.example) void customElements.whenDefined(TAG).then(() => element.showExample(0))
})
parent.postMessage(LISTENING, '*')
performance.mark('bedside:frame')

function draw(): void {
  if (customElements.get(TAG) === undefined) customElements.define(TAG, BedsideClassifier)
}

// A file that misses the note would otherwise open in place of the page.
addEventListener('dragover', (event) => event.preventDefault())
addEventListener('drop', (event) => {
  if (event.defaultPrevented) return
  event.preventDefault()
  const file = event.dataTransfer?.files[0]
  if (file !== undefined) void customElements.whenDefined(TAG).then(() => element.takeFile(file))
})
