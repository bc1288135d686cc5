// The read view of a note: which stretches led to a label or away from it, and how strongly.
import { html, type TemplateResult } from 'lit'
import type { Explanation } from '../protocol.js'

/** A stretch of the note, in UTF-16 units, and the contribution of the n-grams over it. */
export interface Stretch {
  start: number
  end: number
  weight: number
  /** 1 to 4: strength relative to the strongest stretch. */
  level: number
}

const LEVELS = 4
const SHOWN = 20_000 // characters; a longer note is shown in passages around its strongest stretches
const LONGEST = 2_000 // characters of a stretch in a passage, which may be a sentence or many
const CONTEXT = 160 // characters on either side of a stretch in a passage
const FAINT = 0.06 // stretches weaker than this share of the strongest are left unmarked

/** Adds up what every n-gram contributes where it stands, an n-gram's occurrences sharing its contribution. */
export function stretches(explanation: Explanation): Stretch[] {
  const steps = new Map<number, number>()
  const step = (at: number, by: number) => steps.set(at, (steps.get(at) ?? 0) + by)
  for (const { contribution, count, spans } of explanation.features) {
    for (const [start, end] of spans) {
      step(start, contribution / count)
      step(end, -contribution / count)
    }
  }
  const edges = [...steps].sort(([a], [b]) => a - b)
  const raw: { start: number; end: number; weight: number }[] = []
  let weight = 0
  edges.forEach(([start, by], index) => {
    weight += by
    const end = edges[index + 1]?.[0]
    if (end !== undefined && Math.abs(weight) > 1e-9) raw.push({ start, end, weight })
  })
  return graded(raw)
}

function graded(raw: { start: number; end: number; weight: number }[]): Stretch[] {
  const strongest = raw.reduce((max, { weight }) => Math.max(max, Math.abs(weight)), 0)
  const out: Stretch[] = []
  for (const { start, end, weight } of raw) {
    const share = Math.abs(weight) / strongest
    if (share < FAINT) continue
    const level = Math.ceil(share * LEVELS)
    const last = out.at(-1)
    const joins = last?.end === start && last.level === level && Math.sign(last.weight) === Math.sign(weight)
    if (joins) last.end = end
    else out.push({ start, end, weight, level })
  }
  return out
}

/** The note with its stretches marked; of a long note, the passages around the strongest. */
export function reading(text: string, marks: Stretch[]): TemplateResult {
  const passages = text.length <= SHOWN ? [{ start: 0, end: text.length }] : strongestPassages(text, marks)
  return html`${passages.map(
    ({ start, end }) => html`<p class="passage">${start > 0 ? '… ' : ''}${marked(text, start, end, marks)}${end < text.length ? ' …' : ''}</p>`,
  )}`
}

/** True where only passages are shown. */
export function abridged(text: string): boolean {
  return text.length > SHOWN
}

function marked(text: string, from: number, to: number, marks: Stretch[]): unknown[] {
  const parts: unknown[] = []
  let at = from
  for (const mark of marks) {
    const { weight, level } = mark
    const [start, end] = [Math.max(mark.start, from), Math.min(mark.end, to)]
    if (start >= end) continue
    const side = weight > 0 ? 'for' : 'against'
    parts.push(text.slice(at, start))
    parts.push(html`<mark class="${side} level${level}" data-start=${start} data-end=${end}>${text.slice(start, end)}</mark>`)
    at = end
  }
  parts.push(text.slice(at, to))
  return parts
}

function strongestPassages(text: string, marks: Stretch[]): { start: number; end: number }[] {
  const picked: { start: number; end: number }[] = []
  let room = SHOWN
  for (const { start, end } of [...marks].sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight))) {
    const passage = { start: backToSpace(text, start - CONTEXT), end: onToSpace(text, Math.min(end, start + LONGEST) + CONTEXT) }
    room -= passage.end - passage.start
    if (room < 0) break
    picked.push(passage)
  }
  if (picked.length === 0) return [{ start: 0, end: onToSpace(text, SHOWN / 4) }]
  picked.sort((a, b) => a.start - b.start)
  const merged = [picked[0]!]
  for (const passage of picked.slice(1)) {
    const last = merged.at(-1)!
    if (passage.start <= last.end) last.end = Math.max(last.end, passage.end)
    else merged.push(passage)
  }
  return merged
}

function backToSpace(text: string, at: number): number {
  if (at <= 0) return 0
  const space = text.lastIndexOf(' ', at)
  return space > at - CONTEXT ? space + 1 : at
}

function onToSpace(text: string, at: number): number {
  if (at >= text.length) return text.length
  const space = text.indexOf(' ', at)
  return space >= 0 && space < at + CONTEXT ? space : at
}
