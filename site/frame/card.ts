// The model card: what the manifest says of the model, for people.
import { html, svg, type TemplateResult } from 'lit'
import type { Encoder, Evaluation, Lexicon, Manifest } from '../protocol.js'
import { count } from './format.js'

export function card({ title, question, task, lexicon, linear, encoder, mix, card }: Manifest): TemplateResult {
  return html`
    <h2>${title}</h2>
    <p><strong>${question}</strong></p>
    <p>${card.summary}</p>
    ${list('Intended use', card.intended_use)} ${list('Limits', card.limits)}
    <h3>Training</h3>
    <p>${card.training}</p>
    <p>
      ${task.labels.length} labels, ${task.kind === 'multi-label' ? 'any number of which may apply' : 'one of which applies'}.
      ${lexicon ? phrases(lexicon) : ''} ${linear ? html`${family(linear.family)}, C = ${linear.c}.` : ''}
    </p>
    ${mix ? shares(mix.encoder) : ''} ${encoder ? network(encoder) : ''}
    <h3>Data</h3>
    ${card.data?.length
      ? html`<ul>
          ${card.data.map(
            (source) => html`<li>
              ${source.name}, ${source.licence}: ${count(source.rows)} rows, ${count(source.examples)} examples.
              <code class="hash">SHA-256 ${source.sha256}</code>
            </li>`,
          )}
        </ul>`
      : html`<p>The model does not say what it was trained on.</p>`}
    <h3>Measured</h3>
    ${card.refitted ? html`<p>Figures are of models that had not seen the notes they were asked about, unless a heading says otherwise. The one here was then fitted on all notes, with the same settings.</p>` : ''}
    ${card.evaluations?.length ? card.evaluations.map((one) => evaluation(one, task.kind)) : html`<p>No measurement comes with the model.</p>`}
  `
}

function family(name: string): string {
  return name === 'svm' ? 'Linear support vector machines' : name === 'lr' ? 'Logistic regression' : name
}

function phrases({ phrases, max_n, entries, concepts }: Lexicon): string {
  return `A lexicon of ${count(phrases)} phrases of 1 to ${max_n} words, speaking ${count(entries)} times for ${count(concepts)} labels: the loudest phrase in a note counts for its label.`
}

function shares(encoder: number): TemplateResult {
  return html`<p>
    Two models answer together: what n-grams say of a note and what a network says are added up, with weights of
    ${percent(1 - encoder)} and ${percent(encoder)}. Words are marked by what n-grams say of
    them, sentences by what the network does.
  </p>`
}

const WEIGHTS: Record<string, string> = {
  int8: 'integers of 8 bits (int8)',
  float16: 'floating-point numbers of 16 bits',
  float32: 'floating-point numbers of 32 bits',
}

const COMBINE: Record<string, string> = {
  'mean-pooled': 'the parts are averaged before the answer is drawn from them',
  'mean-logits': "the parts' scores are averaged",
  'max-logits': 'the highest score of any part counts',
}

function network({ architecture, layers, hidden, heads, vocabulary, weights, window }: Encoder): TemplateResult {
  return html`<h3>Network</h3>
    <p>
      A ${architecture.toUpperCase()} encoder of ${layers} layers, ${count(hidden)} wide, with ${heads} attention heads and a
      vocabulary of ${count(vocabulary)} tokens. Its weights are stored as ${WEIGHTS[weights] ?? weights}.
    </p>
    <p>
      It reads ${count(window.tokens)} tokens at a time. A longer note is read whole, in parts that overlap by
      ${count(window.overlap)} tokens; ${COMBINE[window.combine] ?? window.combine}.
    </p>`
}

/** Figures of evaluations in words; any other is shown under its own name. */
const FIGURES: Record<string, string> = {
  'recall at 3': 'right labels in the first 3',
  LRAP: 'ranking precision (LRAP)',
  'macro-F1': 'F1, mean of labels (macro)',
  'micro-F1': 'F1, all together (micro)',
}

/** Names of the figures that say where a model stands by its own thresholds. */
const COVERAGE = 'coverage (something asserted)'
const SURE = 'top asserted label right'

function list(heading: string, items: string[] | null): TemplateResult | '' {
  if (items === null || items.length === 0) return ''
  return html`<h3>${heading}</h3>
    <ul>
      ${items.map((item) => html`<li>${item}</li>`)}
    </ul>`
}

function evaluation({ protocol, n, figures, per_label, reliability, curve, pairs }: Evaluation, kind: string): TemplateResult {
  const named = new Map((figures ?? []).map(({ name, value }) => [name, value]))
  return html`<section class="evaluation">
    <h4>${protocol}, ${count(n)} notes</h4>
    <dl class="figures">
      ${(figures ?? []).map(
        ({ name, value, low, high }) =>
          html`<div><dt>${FIGURES[name] ?? name.replaceAll('_', ' ')}</dt><dd>${figure(value)}${high ? html` <small>${figure(low ?? 0)} to ${figure(high)}</small>` : ''}</dd></div>`,
      )}
    </dl>
    ${figures?.some(({ high }) => high) ? html`<p><small>Small: 95% intervals, had other notes of the kind been asked about.</small></p>` : ''}
    <div class="plots">
      ${reliability?.length ? reliabilityPlot(reliability) : ''}
      ${curve?.length ? coveragePlot(curve, named.get(COVERAGE), named.get(SURE)) : ''}
    </div>
    ${pairs?.length ? confused(pairs, kind) : ''} ${per_label?.length ? perLabel(per_label) : ''}
  </section>`
}

function figure(value: number): string {
  return Number.isInteger(value) ? count(value) : value.toFixed(3)
}

const percent = (share: number) => Math.round(100 * share) + '%'

/** The first column names the row; the others are numbers. */
function table(title: string, head: string[], rows: (string | number)[][]): TemplateResult {
  return html`<div class="wide" tabindex="0" role="region" aria-label=${title}>
    <table>
      <thead>
        <tr>${head.map((name, i) => html`<th scope="col" class=${i ? 'number' : ''}>${name}</th>`)}</tr>
      </thead>
      <tbody>
        ${rows.map(([name, ...cells]) => html`<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td class="number">${cell}</td>`)}</tr>`)}
      </tbody>
    </table>
  </div>`
}

function perLabel(rows: NonNullable<Evaluation['per_label']>): TemplateResult {
  return html`<details>
    <summary>Label by label</summary>
    ${table(
      'Figures label by label',
      ['Label', 'F1', 'Precision', 'Recall', 'Notes', 'Asserted'],
      rows
        .toSorted((a, b) => b.support - a.support)
        .map((row) => [row.label.trim(), row.f1.toFixed(2), row.precision.toFixed(2), row.recall.toFixed(2), row.support, row.predicted]),
    )}
  </details>`
}

function confused(pairs: NonNullable<Evaluation['pairs']>, kind: string): TemplateResult {
  const several = kind === 'multi-label'
  return html`<details>
    <summary>Most confused labels</summary>
    <p>
      ${several
        ? 'Notes for which one label was missed while another was wrongly given, where that happens more often than by chance.'
        : 'Notes of one label that were given another.'}
    </p>
    ${table(
      'Most confused labels',
      ['Missed; given', 'Notes', ...(several ? ['By chance'] : [])],
      pairs.slice(0, 10).map(({ missed, given, count: n, chance }) => [`${missed.trim()}; ${given.trim()}`, n, ...(several ? [chance.toFixed(1)] : [])]),
    )}
  </details>`
}

interface Plot {
  title: string
  across: string
  upwards: string
  /** The share at the foot; 1 is on top. */
  least: number
  marks: TemplateResult[]
  caption: string
  head: string[]
  rows: (string | number)[][]
}

/** What both plots are drawn in: shares, 200 units each way. */
function plot({ title, across, upwards, least, marks, caption, head, rows }: Plot): TemplateResult {
  return html`<figure>
    <svg class="plot" viewBox="-34 -26 246 264" role="img" aria-label=${title + ': the numbers are in the table below'}>
      <rect width="200" height="200" />
      ${[0, 0.5, 1].map(
        (at) =>
          svg`<text x=${200 * at} y="216" text-anchor="middle">${100 * at}</text><text x="-6" y=${204 - 200 * at} text-anchor="end">${Math.round(100 * (least + at * (1 - least)))}</text>`,
      )}
      <text x="100" y="234" text-anchor="middle">${across}</text>
      <text x="0" y="-10">${upwards}</text>
      ${marks}
    </svg>
    <figcaption>${caption}</figcaption>
    <details><summary>As a table</summary>${table(title, head, rows)}</details>
  </figure>`
}

/** A dot's area follows the notes behind it. */
function reliabilityPlot(bins: NonNullable<Evaluation['reliability']>): TemplateResult {
  const most = Math.max(...bins.map((bin) => bin.count), 1)
  const filled = bins.filter((bin) => bin.count > 0)
  return plot({
    title: 'Reliability',
    across: 'stated confidence, %',
    upwards: 'right, %',
    least: 0,
    marks: [
      svg`<line class="ideal" x1="0" y1="200" x2="200" y2="0" />`,
      ...filled.map((bin) => svg`<circle cx=${200 * bin.confidence} cy=${200 - 200 * bin.accuracy} r=${3 + 7 * Math.sqrt(bin.count / most)} />`),
    ],
    caption: 'Confidence kept its word where the dots lie on the line. Larger dots stand for more notes.',
    head: ['Stated', 'Right', 'Notes'],
    rows: filled.map((bin) => [percent(bin.confidence), percent(bin.accuracy), bin.count]),
  })
}

/** The surest notes first; the square is where the model stands by its own thresholds. */
function coveragePlot(curve: NonNullable<Evaluation['curve']>, answered: number | undefined, right: number | undefined): TemplateResult {
  const least = Math.floor(10 * Math.min(right || 1, ...curve.map((point) => point.accuracy), 0.9)) / 10
  const place = (across: number, upwards: number) => [200 * across, 200 - (200 * (upwards - least)) / (1 - least)] as const
  const marks = [svg`<polyline points=${curve.map((point) => place(point.answered, point.accuracy).join()).join(' ')} />`]
  if (answered && right) {
    const [x, y] = place(answered, right)
    marks.push(svg`<rect class="stand" x=${x - 4} y=${y - 4} width="8" height="8" />`)
  }
  return plot({
    title: 'Answering less',
    across: 'notes answered, the surest first, %',
    upwards: 'top label right, %',
    least,
    marks,
    caption: 'The less sure notes are left to people, the more often the rest is right. The square: where this model says “not sure”.',
    head: ['Answered', 'Right', 'From confidence'],
    rows: curve
      .filter((_, i) => (i + 1) % 5 === 0 || i + 1 === curve.length)
      .map((point) => [percent(point.answered), percent(point.accuracy), percent(point.confidence)]),
  })
}
