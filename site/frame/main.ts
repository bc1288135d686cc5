import './seal.js'
import { LISTENING, type Hello } from '../protocol.js'
import { BedsideClassifier } from './classifier.js'
import { Engine, startWorker } from './engine.js'

// Before anything is drawn: the worker starts and the files come in meanwhile.
const script = JSON.parse(document.getElementById('worker')!.textContent!) as string
const worker = startWorker(script)

addEventListener('message', function hear({ source, data, ports }: MessageEvent<Hello>) {
  if (source !== parent || data.kind !== 'hello' || ports[0] === undefined) return
  removeEventListener('message', hear)
  element.engine = new Engine(data, ports[0], worker, () => startWorker(script))
  if (data.example) element.showExample(0)
})
parent.postMessage(LISTENING, '*')

customElements.define('bedside-classifier', BedsideClassifier)
const element = document.querySelector<BedsideClassifier>('bedside-classifier')!
performance.mark('bedside:frame')

// A file that misses the note would otherwise open in place of the page.
addEventListener('dragover', (event) => event.preventDefault())
addEventListener('drop', (event) => {
  if (event.defaultPrevented) return
  event.preventDefault()
  const file = event.dataTransfer?.files[0]
  if (file !== undefined) void element.takeFile(file)
})
