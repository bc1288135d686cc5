// Why a label: the note with its telling words marked, and the n-grams with what each contributed.
import { html, type TemplateResult } from 'lit'
import type { Explanation, Feature } from '../protocol.js'
import { signed } from './format.js'
import { abridged, reading, stretches } from './reading.js'

const LISTED = 12 // n-grams
const LONGEST = 48 // characters of an n-gram shown

const KIND: Partial<Record<Feature['analyzer'], TemplateResult>> = {
  char_wb: html` <small>letters</small>`,
  phrase: html` <small>known phrase</small>`,
}

/** `network` says that an encoder had its part in the answer, which is not taken apart. */
export function evidence(text: string, explanation: Explanation, network: boolean): TemplateResult {
  const marks = stretches(explanation)
  const name = explanation.name.trim()
  return html`
    <h2 id="why">Words that led to <em>${name}</em></h2>
    <p class="legend">
      <mark class="for level3">speaks for</mark> <mark class="against level3">speaks against</mark>
      ${abridged(text) ? html`<span>Long note: only the telling passages are shown.</span>` : ''}
    </p>
    <div id="reading" tabindex="0" role="region" aria-label="The note with the words that led to ${name} marked">${reading(text, marks)}</div>
    ${features(text, explanation, network)}
  `
}

function features(text: string, explanation: Explanation, network: boolean): TemplateResult {
  const listed = explanation.features.slice(0, LISTED)
  const strongest = Math.max(...listed.map(({ contribution }) => Math.abs(contribution)), 1e-9)
  return html`<details id="features">
    <summary>Contributions in numbers</summary>
    <table>
      <caption class="hidden">N-grams by strength of contribution</caption>
      <thead>
        <tr><th scope="col">In the note</th><th scope="col" class="number">Times</th><th scope="col" class="number">Contribution</th><td></td></tr>
      </thead>
      <tbody>
        ${listed.map((feature) => row(text, feature, strongest))}
      </tbody>
    </table>
    <p class="sum">${sum(explanation, listed, network)}</p>
  </details>`
}

function row(text: string, feature: Feature, strongest: number): TemplateResult {
  const { contribution, analyzer, count } = feature
  const width = (50 * Math.abs(contribution)) / strongest
  return html`<tr data-contribution=${contribution}>
    <th scope="row">${quoted(text, feature)}${KIND[analyzer] ?? ''}</th>
    <td class="number">${count}</td>
    <td class="number">${signed(contribution)}</td>
    <td class="balance">
      <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
        <rect class=${contribution < 0 ? 'against' : 'for'} x=${contribution < 0 ? 50 - width : 50} y="1" width=${width} height="8" />
        <line x1="50" x2="50" y1="0" y2="10" />
      </svg>
    </td>
  </tr>`
}

function quoted(text: string, { spans }: Feature): string {
  const first = spans[0]
  if (first === undefined) return '(not located)'
  const found = text.slice(first[0], Math.min(first[1], first[0] + LONGEST)).replace(/\s+/g, ' ')
  return `“${found}${first[1] - first[0] > LONGEST ? '…' : ''}”`
}

function sum({ bias, logit, features }: Explanation, listed: Feature[], network: boolean): string {
  const shown = listed.reduce((total, { contribution }) => total + contribution, 0)
  const others = logit - bias - shown
  const more = (features.length > listed.length ? 'all other n-grams' : 'the rest') + (network ? ' and the network' : '')
  return `Start ${signed(bias)}, listed ${signed(shown)}, ${more} ${signed(others)}: score ${signed(logit)}, which calibration turns into the percentage.`
}
