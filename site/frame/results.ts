// The ranked labels and what the answer as a whole says.
import { html, svg, type TemplateResult } from 'lit'
import type { Label, Progress, Result } from '../protocol.js'
import { count, percent } from './format.js'

const FIRST = 8 // labels listed before "show all"

export interface ResultsView {
  result: Result
  /** Index of the label whose words are shown. */
  chosen: number
  all: boolean
  choose(index: number): void
  showAll(all: boolean): void
}

export function results(view: ResultsView): TemplateResult {
  const { result } = view
  const { labels } = result
  const asserted = labels.filter(({ clears }) => clears).length
  const shown = view.all ? labels : labels.slice(0, Math.max(FIRST, asserted))
  return html`
    ${result.sure ? '' : notSure(result)}
    <ol id="labels">
      ${shown.map((label) => item(label, view))}
    </ol>
    ${labels.length > shown.length || view.all
      ? html`<button type="button" id="all" class="quiet" aria-expanded=${view.all} @click=${() => view.showAll(!view.all)}>
          ${view.all ? 'Show fewer' : `Show ${result.known === undefined ? 'all' : 'the first'} ${labels.length}`}
        </button>`
      : ''}
    <p class="remark">
      The line on a bar marks where its label is asserted.${result.known === undefined ? '' : ` The model knows ${count(result.known)} labels.`}${extent(result)}
    </p>
  `
}

/** How far the reading of a long note is. */
export function partsRead({ done, of }: Progress): string {
  return `Reading part ${count(Math.min(done + 1, of))} of ${count(of)}`
}

/** How much an encoder has read. */
function extent({ tokens, windows }: Result): string {
  if (tokens === undefined) return ''
  const parts = windows !== undefined && windows > 1 ? ` in ${count(windows)} overlapping parts` : ''
  return ` The whole note was read: ${count(tokens)} ${tokens === 1 ? 'token' : 'tokens'}${parts}.`
}

/** One sentence for a screen reader. */
export function announcement(result: Result): string {
  const asserted = result.labels.filter(({ clears }) => clears)
  if (asserted.length === 0) return `Not sure. ${reason(result)}`
  return asserted.map(({ name, probability }) => `${name.trim()}, ${percent(probability)}`).join('; ') + '.'
}

function item(label: Label, view: ResultsView): TemplateResult {
  const { index, name, probability, threshold, clears } = label
  return html`<li
    data-index=${index}
    data-label=${name}
    data-probability=${probability}
    data-clears=${clears}
    class=${clears ? 'clears' : 'below'}
  >
    <button type="button" aria-pressed=${index === view.chosen} @click=${() => view.choose(index)}>
      <span class="name">${clears ? tick : ''}${name.trim()}</span>
      <span class="percent">${percent(probability)}</span>
      ${bar(probability, threshold)}
      <span class="hidden">${clears ? 'asserted' : 'not asserted'}, asserted from ${percent(threshold)}</span>
    </button>
  </li>`
}

const tick = html`<svg class="tick" viewBox="0 0 16 16" aria-hidden="true"><path d="M3 8.5l3.5 3.5L13 4.5" /></svg>`

function bar(probability: number, threshold: number): TemplateResult {
  const at = 100 * Math.min(1, threshold)
  return html`<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
    <rect class="track" y="2" width="100" height="6" />
    <rect class="fill" y="2" width=${100 * probability} height="6" />
    ${svg`<line class="threshold" x1=${at} x2=${at} y1="0" y2="10" />`}
  </svg>`
}

function notSure(result: Result): TemplateResult {
  return html`<div id="not-sure"><strong>Not sure.</strong> ${reason(result)}</div>`
}

function reason(result: Result): string {
  if (result.reason === 'no-known-terms') return 'The note holds no words that this model knows.'
  return 'No label is likely enough to be asserted. The order below is a guess.'
}
