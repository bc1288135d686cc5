// The model card: what the manifest says of the model, for people.
import { html, svg, type TemplateResult } from 'lit'
import type { Encoder, Evaluation, Manifest } from '../protocol.js'
import { count } from './format.js'

export function card({ title, question, task, linear, encoder, card }: Manifest): TemplateResult {
  return html`
    <h2>${title}</h2>
    <p><strong>${question}</strong></p>
    <p>${card.summary}</p>
    ${list('Intended use', card.intended_use)} ${list('Limits', card.limits)}
    <h3>Training</h3>
    <p>${card.training}</p>
    <p>
      ${task.labels.length} labels, ${task.kind === 'multi-label' ? 'any number of which may apply' : 'one of which applies'}.
      ${linear ? html`${family(linear.family)}, C = ${linear.c}.` : ''}
    </p>
    ${encoder ? network(encoder) : ''}
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
    <h3>Measured on notes that training did not see</h3>
    ${card.evaluations?.length ? card.evaluations.map(evaluation) : html`<p>No measurement comes with the model.</p>`}
  `
}

function family(name: string): string {
  return name === 'svm' ? 'Linear support vector machines' : name === 'lr' ? 'Logistic regression' : name
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

/** Figures of the bundle's evaluations in words; any other is shown under its own name. */
const FIGURES: Record<string, string> = {
  accuracy: 'accuracy',
  top1_in_set: 'first label is right',
  recall_at_3: 'right labels in the first 3',
  lrap: 'ranking precision (LRAP)',
  mean_average_precision: 'mean average precision',
  macro_f1: 'F1, mean of labels (macro)',
  micro_f1: 'F1, all together (micro)',
  ece: 'calibration error (ECE)',
}

function list(heading: string, items: string[] | null): TemplateResult | '' {
  if (items === null || items.length === 0) return ''
  return html`<h3>${heading}</h3>
    <ul>
      ${items.map((item) => html`<li>${item}</li>`)}
    </ul>`
}

function evaluation({ protocol, n, figures, per_label, reliability }: Evaluation): TemplateResult {
  return html`<section class="evaluation">
    <h4>${protocol}, ${count(n)} notes</h4>
    <dl class="figures">
      ${(figures ?? []).map(({ name, value }) => html`<div><dt>${FIGURES[name] ?? name.replaceAll('_', ' ')}</dt><dd>${figure(value)}</dd></div>`)}
    </dl>
    ${reliability?.length ? diagram(reliability) : ''} ${per_label?.length ? perLabel(per_label) : ''}
  </section>`
}

function figure(value: number): string {
  return Number.isInteger(value) ? count(value) : value.toFixed(3)
}

function perLabel(rows: NonNullable<Evaluation['per_label']>): TemplateResult {
  return html`<details>
    <summary>Label by label</summary>
    <div class="wide" tabindex="0" role="region" aria-label="Figures label by label">
      <table>
        <thead>
          <tr><th scope="col">Label</th><th scope="col" class="number">Precision</th><th scope="col" class="number">Recall</th><th scope="col" class="number">F1</th><th scope="col" class="number">Notes</th><th scope="col" class="number">Asserted</th></tr>
        </thead>
        <tbody>
          ${rows.map(
            (row) => html`<tr>
              <th scope="row">${row.label.trim()}</th>
              <td class="number">${row.precision.toFixed(2)}</td>
              <td class="number">${row.recall.toFixed(2)}</td>
              <td class="number">${row.f1.toFixed(2)}</td>
              <td class="number">${row.support}</td>
              <td class="number">${row.predicted}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </details>`
}

/** Stated confidence across, share right upwards; a dot's area follows the notes behind it. */
function diagram(bins: NonNullable<Evaluation['reliability']>): TemplateResult {
  const most = Math.max(...bins.map((bin) => bin.count), 1)
  const filled = bins.filter((bin) => bin.count > 0)
  return html`<figure>
    <svg class="reliability" viewBox="-34 -8 252 246" role="img" aria-label=${spoken(filled)}>
      <rect class="plot" width="200" height="200" />
      ${[0, 50, 100].map(
        (tick) => svg`<text x=${2 * tick} y="216" text-anchor="middle">${tick}</text><text x="-6" y=${204 - 2 * tick} text-anchor="end">${tick}</text>`,
      )}
      <text x="100" y="234" text-anchor="middle">stated confidence, %</text>
      <text x="8" y="14">right, %</text>
      <line class="ideal" x1="0" y1="200" x2="200" y2="0" />
      ${filled.map(
        (bin) => svg`<circle cx=${200 * bin.confidence} cy=${200 - 200 * bin.accuracy} r=${3 + 7 * Math.sqrt(bin.count / most)} />`,
      )}
    </svg>
    <figcaption>Confidence kept its word where the dots lie on the line. Larger dots stand for more notes.</figcaption>
  </figure>`
}

function spoken(bins: NonNullable<Evaluation['reliability']>): string {
  const parts = bins.map(
    ({ confidence, accuracy, count: n }) => `at ${Math.round(100 * confidence)}% stated, ${Math.round(100 * accuracy)}% right of ${n}`,
  )
  return `Reliability: ${parts.join('; ')}`
}
