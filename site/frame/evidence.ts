// Why a label: the note with its telling words or sentences marked, and what each of them contributed.
import { html, type TemplateResult } from 'lit'
import type { Explanation, Feature } from '../protocol.js'
import { signed } from './format.js'
import { abridged, reading, stretches } from './reading.js'

const LISTED = 12 // n-grams or sentences
const LONGEST = 48 // characters shown of an n-gram
const LONGEST_SENTENCE = 120

const KIND: Partial<Record<Feature['analyzer'], TemplateResult>> = {
  char_wb: html` <small>letters</small>`,
  phrase: html` <small>known phrase</small>`,
}

/** `network` says that an encoder had its part in the answer, which is not taken apart. */
export function evidence(text: string, explanation: Explanation, network: boolean): TemplateResult {
  const marks = stretches(explanation)
  const name = explanation.name.trim()
  const kind = kinds(explanation)
  return html`
    <h2 id="why">${kind} that led to <em>${name}</em></h2>
    <p class="legend">
      <mark class="for level3">speaks for</mark> <mark class="against level3">speaks against</mark>
      ${abridged(text) ? html`<span>Long note: only the telling passages are shown.</span>` : ''}
    </p>
    <div id="reading" tabindex="0" role="region" aria-label="The note with the ${kind.toLowerCase()} that led to ${name} marked">${reading(text, marks)}</div>
    ${features(text, explanation, network)}
  `
}

/** What the evidence is made of. */
export function kinds({ features }: Explanation): string {
  const sentences = features.filter(({ analyzer }) => analyzer === 'sentence').length
  if (sentences === 0) return 'Words'
  return sentences === features.length ? 'Sentences' : 'Words and sentences'
}

function features(text: string, explanation: Explanation, network: boolean): TemplateResult {
  const listed = explanation.features.slice(0, LISTED)
  const strongest = Math.max(...listed.map(({ contribution }) => Math.abs(contribution)), 1e-9)
  return html`<details id="features">
    <summary>Contributions in numbers</summary>
    <table>
      <caption class="hidden">${kinds(explanation)} by strength of contribution</caption>
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

function quoted(text: string, { spans, analyzer }: Feature): string {
  const first = spans[0]
  if (first === undefined) return '(not located)'
  const longest = analyzer === 'sentence' ? LONGEST_SENTENCE : LONGEST
  const found = text.slice(first[0], Math.min(first[1], first[0] + longest)).replace(/\s+/g, ' ')
  return `“${found}${first[1] - first[0] > longest ? '…' : ''}”`
}

function sum(explanation: Explanation, listed: Feature[], network: boolean): string {
  const { bias, logit, features } = explanation
  const kind = kinds(explanation)
  if (kind !== 'Words') {
    const words = kind === 'Sentences' ? '' : ' A word’s figure is what it adds by itself.'
    return `A sentence’s figure is what the network gives less to the score, ${signed(logit)}, when that sentence alone is taken out.${words} Sentences that say the same share what they do, so the figures need not add up to the score, which calibration turns into the percentage.`
  }
  const shown = listed.reduce((total, { contribution }) => total + contribution, 0)
  const others = logit - bias - shown
  const more = (features.length > listed.length ? 'all other n-grams' : 'the rest') + (network ? ' and the network' : '')
  return `Start ${signed(bias)}, listed ${signed(shown)}, ${more} ${signed(others)}: score ${signed(logit)}, which calibration turns into the percentage.`
}
