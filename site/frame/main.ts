import './seal.js'
import type { Hello } from '../protocol.js'
import { BedsideClassifier } from './classifier.js'
import { Engine } from './engine.js'

customElements.define('bedside-classifier', BedsideClassifier)
const element = document.querySelector<BedsideClassifier>('bedside-classifier')!
performance.mark('bedside:frame')

addEventListener('message', function hear({ source, data, ports }: MessageEvent<Hello>) {
  if (source !== parent || data.kind !== 'hello' || ports[0] === undefined) return
  removeEventListener('message', hear)
  element.engine = new Engine(data, ports[0], JSON.parse(document.getElementById('worker')!.textContent!) as string)
  if (data.example) element.showExample(0)
})

// A file that misses the note would otherwise open in place of the page.
addEventListener('dragover', (event) => event.preventDefault())
addEventListener('drop', (event) => {
  if (event.defaultPrevented) return
  event.preventDefault()
  const file = event.dataTransfer?.files[0]
  if (file !== undefined) void element.takeFile(file)
})
