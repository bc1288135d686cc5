// The details view: what the network was asked for, what stands in the way, and a button that tries to get out.
import { html, type TemplateResult } from 'lit'
import type { Hello, Offline, Request, Serving, Witness } from '../protocol.js'
import { bytes } from './format.js'
import { type Attempt, TARGET } from './leak.js'

export interface ProofView {
  hello: Hello
  witness: Witness
  /** What the model in use computes on, where it needs a device. */
  serving: Serving | undefined
  attempts: Attempt[] | 'trying' | undefined
  tryToLeak(): void
}

const OFFLINE: Record<Offline, string> = {
  pending: 'being prepared',
  stored: 'stored on this device: the page opens without a network',
  refused: 'this browser refused to store the page: it needs the network to open again',
  unsupported: 'this browser cannot store the page: it needs the network to open again',
}

export function proof({ hello, witness, serving, attempts, tryToLeak }: ProofView): TemplateResult {
  const late = witness.requests.filter(({ afterReady }) => afterReady)
  return html`
    <h2>What left this device</h2>
    <p class="verdict" id="after-ready" data-requests=${late.length}>
      ${witness.ready
        ? html`Since the page was ready: <strong>${requests(late.length)}</strong>.`
        : 'The page is still making its last requests, for use without a network; they are listed below.'}
    </p>
    <p>
      The page is two documents. The outer one loads files and never sees your note. The inner one, where you write, has no
      network: your browser refuses every request it could make. You can also pull the cable and go on.
    </p>
    <h3>Try it</h3>
    <p>This tries to send a marker, not your note, out of the inner document in every ordinary way.</p>
    <button type="button" id="leak" ?disabled=${attempts === 'trying'} @click=${tryToLeak}>
      ${attempts === 'trying' ? 'Trying…' : 'Try to send something'}
    </button>
    <div role="status">${Array.isArray(attempts) ? outcome(attempts) : ''}</div>
    <h3>Requests of the outer document</h3>
    ${late.length > 0 ? requestTable('Since the page was ready', late) : ''}
    ${requestTable('Since the page was opened', witness.requests)}
    <p>Requests of the inner document: ${requests(ownRequests(hello.base))}.</p>
    <h3>What stands in the way</h3>
    <dl>
      <dt>Policy of the inner document</dt>
      <dd><code>${innerPolicy()}</code></dd>
      <dt>Policy of the outer document, which holds inside too</dt>
      <dd><code>${hello.policy}</code></dd>
      <dt>Origin of the inner document</dt>
      <dd>${origin === 'null' ? 'none: it can reach no storage, no cookie and no other document' : origin}</dd>
      <dt>Offline</dt>
      <dd>${OFFLINE[witness.offline]}</dd>
    </dl>
    <h3>What reads the note</h3>
    <dl>
      <dt>Classifier module</dt>
      <dd><code class="hash">SHA-256 ${hello.moduleSHA256}</code></dd>
      ${serving
        ? html`<dt>Device of this model</dt>
            <dd id="serving">${device(serving)}</dd>
            <dd><code class="hash">SHA-256 of all kernels and shaders ${hello.kernelsSHA256}</code></dd>`
        : ''}
    </dl>
  `
}

function device({ device, threads, from }: Serving): string {
  if (device === 'reference') return 'The reference in the module: this browser or its address allows nothing faster.'
  if (device === 'webgpu') {
    const shorter = from === undefined ? '' : ` for notes of ${from} tokens or more, as measured here; the processor for shorter ones`
    return `The GPU, through WebGPU${shorter}. Should it fail, notes are read on the processor.`
  }
  return `SIMD kernels, ${device.replace('simd-', '')}, ${threads === 1 ? '1 thread' : `${threads} threads`}.`
}

function outcome(attempts: Attempt[]): TemplateResult {
  const out = attempts.filter(({ refused }) => !refused).length
  return html`<p><strong>${out === 0 ? `All ${attempts.length} attempts were refused.` : `${out} of ${attempts.length} attempts were not refused.`}</strong></p>
    <ul id="attempts">
      ${attempts.map(({ way, refused, detail }) => html`<li data-refused=${refused}>${way}: ${refused ? 'refused' : 'NOT REFUSED'} <small>${detail}</small></li>`)}
    </ul>`
}

function requestTable(caption: string, rows: Request[]): TemplateResult {
  return html`<details>
    <summary>${caption}: ${requests(rows.length)}</summary>
    <div class="wide" tabindex="0" role="region" aria-label=${caption}>
      <table>
        <thead><tr><th scope="col">File</th><th scope="col" class="number">Received</th><th scope="col" class="number">At</th></tr></thead>
        <tbody>
          ${rows.map(
            ({ url, transferred, at }) => html`<tr>
              <th scope="row"><code>${url}</code></th>
              <td class="number">${transferred === 0 ? 'from cache' : bytes(transferred)}</td>
              <td class="number">${(at / 1000).toFixed(2)} s</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </details>`
}

function requests(n: number): string {
  return n === 0 ? 'no request' : n === 1 ? '1 request' : `${n} requests`
}

/** The worker's script comes from memory, so a blob address is no request; neither is an attempt that was refused. */
function ownRequests(base: string): number {
  const made = performance.getEntriesByType('resource') as PerformanceResourceTiming[]
  const refused = ({ name, transferSize }: PerformanceResourceTiming) => name.startsWith(base + TARGET) && transferSize === 0
  return made.filter((entry) => !entry.name.startsWith('blob:') && !refused(entry)).length
}

function innerPolicy(): string {
  return document.querySelector<HTMLMetaElement>('meta[http-equiv="Content-Security-Policy"]')?.content ?? 'none'
}
