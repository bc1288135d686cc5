// <bedside-classifier>: the note, the labels, the words that led there.
import { html, LitElement, type PropertyValues, type TemplateResult } from 'lit'
import type { Explanation, GpuTrouble, Progress, Result } from '../protocol.js'
import { card } from './card.js'
import { type Answer, Cancelled, type Engine, Refused, Stopped } from './engine.js'
import { evidence, kinds } from './evidence.js'
import { EXAMPLES } from './examples.js'
import { NotANote, readNote } from './file.js'
import { count } from './format.js'
import { type Attempt, tryToLeak } from './leak.js'
import { proof } from './proof.js'
import { announcement, partsRead, results } from './results.js'
import { styles } from './styles.js'

const FIELD_LIMIT = 500_000 // characters; a longer note is held beside the field, which shows its beginning
const FIELD_SHOWN = 20_000 // characters of such a note
const SLOW = 100_000 // characters from which typing waits for a pause
const PAUSE = 250 // milliseconds
const HUSH = 800 // milliseconds of quiet before a result is read aloud
const EXPLAINED = 8 // labels whose sentences are asked for at once: they take no longer than one

const NOT_FOUND = 'The sentences that matter could not be found.'

const WITHOUT: Record<GpuTrouble, string> = {
  absent: 'This browser offers no GPU',
  refused: 'The browser refused the GPU',
  shader: 'The GPU does not run what the classifier needs',
  memory: 'The GPU has not enough memory for this model',
  lost: 'The GPU stopped working',
  silent: 'The GPU stopped answering',
  suspected: 'The classifier stopped after it had used the GPU, which is not tried again in this visit',
}

interface Shown extends Answer {
  text: string
}

interface Trouble {
  message: string
  again?: () => void
}

interface Caller {
  text: string
  resolve(answer: Answer): void
  reject(error: Error): void
}

/**
 * Set `engine`, then let people write or call `classify(text)`.
 *
 * For tests and embedders, all in the open shadow root:
 * - host: `data-state` loading | ready | classifying | done | error; `data-ms` what the module took for the result shown;
 *   `data-device` and `data-threads` of a model that computes on a device, `data-from` from how many tokens on,
 *   `data-without` why that is not the GPU
 * - `textarea#note`; `#labels > li` with data-index, data-label, data-probability, data-clears; `#not-sure`;
 *   `progress#parts` while a long note is read
 * - host: `data-evidence` finding | shown | failed: an encoder's comes after its labels, which `classify` answers with
 * - `#reading mark` with data-start and data-end in UTF-16 units of the note; `#features tr` with data-contribution
 * - `[role=alert]`; `#without` says why no GPU serves that was to; `#card-open`, `#proof-open`, `dialog#card`, `dialog#proof`, `#after-ready` with data-requests,
 *   `#leak`, `#attempts > li` with data-refused
 * - performance marks `bedside:frame`, `bedside:model` (the first model can classify), `bedside:result` (the first
 *   result is in the DOM)
 */
export class BedsideClassifier extends LitElement {
  static override styles = styles
  static override properties = {
    engine: { attribute: false },
    model: { state: true },
    shown: { state: true },
    chosen: { state: true },
    all: { state: true },
    held: { state: true },
    running: { state: true },
    progress: { state: true },
    finding: { state: true },
    trouble: { state: true },
    said: { state: true },
    panel: { state: true },
    attempts: { state: true },
    over: { state: true },
  }

  declare engine: Engine | undefined
  /** Index of the model in use. */
  declare private model: number
  declare private shown: Shown | undefined
  /** Index of the label the reader picked; undefined follows the most probable. */
  declare private chosen: number | undefined
  declare private all: boolean
  /** A note too long for the field. */
  declare private held: string | undefined
  declare private running: boolean
  /** How far the note being read is, where it is read in parts. */
  declare private progress: Progress | undefined
  /** How far the search is for the sentences that matter in the note that is shown. */
  declare private finding: Progress | 'failed' | undefined
  declare private trouble: Trouble | undefined
  declare private said: string
  declare private panel: 'card' | 'proof' | undefined
  declare private attempts: Attempt[] | 'trying' | undefined
  /** A file is being dragged over the note. */
  declare private over: boolean

  private wanted: string | undefined
  private caller: Caller | undefined
  private example = 0
  private pause = 0
  private hush = 0
  private readonly engineChanged = () => {
    this.requestUpdate()
    this.noticeEngine()
  }

  constructor() {
    super()
    this.model = 0
    this.all = false
    this.running = false
    this.said = ''
    this.over = false
  }

  /** Puts a note in the field and answers with its result; rejects with AbortError when a later note takes its place. */
  async classify(text: string): Promise<Answer> {
    this.place(text)
    const answer = await new Promise<Answer>((resolve, reject) => {
      this.caller?.reject(superseded())
      this.caller = { text, resolve, reject }
      this.want(text)
    })
    await this.updateComplete
    return answer
  }

  /** Puts one of the page's own notes in the field. */
  showExample(index: number): void {
    this.example = index + 1
    const text = EXAMPLES[index % EXAMPLES.length]!
    this.place(text)
    this.want(text)
  }

  /** Reads a text file into the field; says why where it cannot, and leaves the field as it was. */
  async takeFile(file: File): Promise<void> {
    try {
      const text = await readNote(file)
      this.place(text)
      this.want(text)
    } catch (error) {
      if (!(error instanceof NotANote)) throw error
      this.trouble = { message: error.message }
    }
  }

  protected override willUpdate(changed: PropertyValues): void {
    if (!changed.has('engine')) return
    ;(changed.get('engine') as Engine | undefined)?.removeEventListener('change', this.engineChanged)
    this.engine?.addEventListener('change', this.engineChanged)
  }

  protected override updated(changed: PropertyValues): void {
    this.dataset['state'] = this.state()
    if (this.shown) this.dataset['ms'] = String(this.shown.ms)
    else delete this.dataset['ms']
    const serving = this.current()?.serving
    for (const name of ['device', 'threads', 'from', 'without'] as const) {
      const value = serving?.[name]
      if (value === undefined) delete this.dataset[name]
      else this.dataset[name] = String(value)
    }
    const evidence = this.evidence()
    if (evidence === undefined) delete this.dataset['evidence']
    else this.dataset['evidence'] = evidence
    if (changed.has('shown') && this.shown && !performance.getEntriesByName('bedside:result').length) {
      performance.mark('bedside:result')
    }
    if (changed.has('panel') && this.panel) {
      const dialog = this.renderRoot.querySelector<HTMLDialogElement>(`dialog#${this.panel}`)!
      if (!dialog.open) dialog.showModal()
    }
  }

  private state(): 'loading' | 'ready' | 'classifying' | 'done' | 'error' {
    const model = this.current()?.state
    if (this.trouble || this.engine?.broken || model === 'unusable' || model === 'failed') return 'error'
    if (model !== 'ready') return 'loading'
    if (this.running || this.wanted !== undefined) return 'classifying'
    return this.shown ? 'done' : 'ready'
  }

  private evidence(): 'finding' | 'shown' | 'failed' | undefined {
    if (!this.shown) return undefined
    if (this.finding === 'failed') return 'failed'
    if (this.finding) return 'finding'
    return this.shown.result.explanations && 'shown'
  }

  private current() {
    return this.engine?.models[this.model]
  }

  private noticeEngine(): void {
    if (this.current()?.state === 'absent') this.engine!.load(this.model)
    if (this.current()?.state !== 'ready') return
    void this.pump()
  }

  // The way of a note: input → want → pump → engine → shown; an encoder's goes on: → find → engine → shown.

  private field(): HTMLTextAreaElement {
    return this.renderRoot.querySelector<HTMLTextAreaElement>('#note')!
  }

  private text(): string {
    return this.held ?? this.field().value
  }

  private place(text: string): void {
    const long = text.length > FIELD_LIMIT
    this.held = long ? text : undefined
    if (!this.hasUpdated) this.performUpdate()
    this.field().value = long ? text.slice(0, FIELD_SHOWN) : text
    this.chosen = undefined
  }

  private input(): void {
    const text = this.field().value
    if (text.length > FIELD_LIMIT) this.place(text)
    clearTimeout(this.pause)
    if (text.length < SLOW || this.held !== undefined) this.want(text)
    else this.pause = setTimeout(() => this.want(text), PAUSE)
  }

  /** The latest text wins: one that has not been started is forgotten, and a long one under way dropped. */
  private want(text: string): void {
    clearTimeout(this.pause)
    this.engine?.cancel()
    if (this.caller && this.caller.text !== text) {
      this.caller.reject(superseded())
      this.caller = undefined
    }
    this.trouble = undefined
    this.wanted = text
    void this.pump()
  }

  /** Classifies what is wanted, one at a time, until nothing is. */
  private async pump(): Promise<void> {
    if (this.running) return
    while (this.wanted !== undefined && this.engine && this.current()?.state === 'ready') {
      const text = this.wanted
      this.wanted = undefined
      this.running = true
      try {
        await this.answer(this.engine, text)
      } finally {
        this.running = false
      }
    }
    this.requestUpdate()
  }

  private async answer(engine: Engine, text: string): Promise<void> {
    const caller = this.caller?.text === text ? this.caller : undefined
    if (caller) this.caller = undefined
    try {
      if (!caller && text.trim() === '') return this.showNothing()
      const { model } = this
      const explain = this.current()!.encoder ? 0 : this.explained()
      const answer = await engine.classify(model, text, explain, (progress) => this.showProgress(progress))
      if (model === this.model) this.show({ ...answer, text }, explain)
      caller?.resolve(answer)
    } catch (error) {
      caller?.reject(error instanceof Cancelled ? superseded() : (error as Error))
      this.fail(error as Error, text)
    } finally {
      this.progress = undefined
    }
  }

  /** Tells a screen reader of every quarter, if it takes that long. */
  private showProgress(progress: Progress): void {
    const quarter = ({ done, of }: Progress) => Math.floor((4 * done) / of)
    if (this.progress === undefined || quarter(progress) > quarter(this.progress)) this.say(partsRead(progress))
    this.progress = progress
  }

  /** So many of the top labels must be explained for the chosen one to be among them. */
  private explained(): number {
    if (this.chosen === undefined || !this.shown) return 1
    return Math.max(1, 1 + this.shown.result.labels.findIndex(({ index }) => index === this.chosen))
  }

  private show(shown: Shown, explained: number): void {
    this.shown = shown
    this.finding = undefined
    // Where the chosen label has sunk in the ranking, ask again: its place is known now.
    const rank = shown.result.labels.findIndex(({ index }) => index === this.chosen)
    if (rank < 0) this.chosen = undefined // not even listed now
    if (this.current()!.encoder) void this.find(shown)
    else if (rank >= explained) this.wanted ??= shown.text
    this.say(announcement(shown.result))
  }

  /** Asks which sentences matter in the note that is shown, which takes an encoder longer than the labels; unless a later note waits. */
  private async find(shown: Shown): Promise<void> {
    if (this.wanted !== undefined) return
    this.finding = { done: 0, of: 1 }
    try {
      const { result } = await this.engine!.classify(this.model, shown.text, Math.max(EXPLAINED, this.explained()), (progress) => {
        if (this.shown === shown) this.finding = progress
      })
      if (this.shown === shown) this.found(shown, result)
    } catch (error) {
      if (this.shown !== shown) return
      this.finding = error instanceof Cancelled ? undefined : 'failed'
      if (this.finding) this.say(NOT_FOUND)
    }
  }

  private found(shown: Shown, result: Result): void {
    this.finding = undefined
    this.shown = { ...shown, result }
    if (result.explanations === undefined) return
    if (this.explained() > result.explanations.length) return void this.find(this.shown) // another was chosen meanwhile
    const explanation = this.explanation(result)
    if (!explanation?.features.length) return
    const labels = announcement(result)
    this.say(`${this.said === labels ? '' : `${labels} `}The ${kinds(explanation).toLowerCase()} that matter are marked.`)
  }

  private showNothing(): void {
    this.shown = undefined
    this.chosen = undefined
    this.say('')
  }

  private fail(error: Error, text: string): void {
    if (error instanceof Cancelled) return
    this.shown = undefined
    if (!(error instanceof Refused) && !(error instanceof Stopped)) {
      this.trouble = { message: 'Something went wrong with this note. It is still here.', again: () => this.want(text) }
      return
    }
    if (error instanceof Refused && error.code === 'empty-note') return this.showNothing()
    const again = error instanceof Stopped || error.code === 'device-lost'
    this.trouble = again ? { message: error.message, again: () => this.want(text) } : { message: error.message }
  }

  private choose(index: number): void {
    this.chosen = index
    if (!this.shown || this.shown.result.unexplained) return
    if (this.shown.result.explanations?.some((each) => each.index === index)) return
    if (!this.current()!.encoder) this.want(this.shown.text)
    else if (this.finding === undefined || this.finding === 'failed') void this.find(this.shown) // else it is being done
  }

  private clear(): void {
    this.place('')
    this.want('')
    this.all = false
    this.field().focus()
  }

  private say(sentence: string): void {
    clearTimeout(this.hush)
    this.hush = setTimeout(() => (this.said = sentence), HUSH)
  }

  private pickModel(event: Event): void {
    this.model = Number((event.target as HTMLSelectElement).value)
    this.chosen = undefined
    this.shown = undefined
    this.engine?.cancel()
    const text = this.text()
    if (text !== '') this.wanted = text
    this.engine?.load(this.model)
    void this.pump()
  }

  private async leak(): Promise<void> {
    this.attempts = 'trying'
    this.attempts = await tryToLeak(this.engine!.hello.base)
  }

  protected override render(): TemplateResult {
    return html`
      ${this.top()}
      <main>
        ${this.noteSide()}
        <section class="answer" aria-labelledby="labels-title">
          <h2 id="labels-title">Labels</h2>
          ${this.answerSide()}
        </section>
        ${this.why()}
      </main>
      <p class="hidden" role="status">${this.said}</p>
      ${this.dialogs()}
    `
  }

  private top(): TemplateResult {
    const models = this.engine?.models ?? []
    return html`<header>
      <div class="brand">${logo}<span>Bedside</span></div>
      ${models.length > 1
        ? html`<label class="picker">Model <select id="model" @change=${this.pickModel}>
            ${models.map(({ title }, index) => html`<option value=${index} ?selected=${index === this.model}>${title}</option>`)}
          </select></label>`
        : ''}
      <button type="button" id="card-open" class="quiet" ?disabled=${!this.engine?.hasManifest(this.model)} @click=${() => (this.panel = 'card')}>Model card</button>
      <h1>${this.current()?.question || 'Classify a note'}</h1>
      <p class="privacy"><span>${lock} Nothing you write here leaves this page.</span>
        <button type="button" id="proof-open" class="link" ?disabled=${!this.engine} @click=${() => (this.panel = 'proof')}>See the proof</button></p>
    </header>`
  }

  /** Everything in a browser that might send what is typed to a spelling or writing service is told not to. */
  private noteSide(): TemplateResult {
    return html`<section
      class="note ${this.over ? 'over' : ''}"
      @dragover=${(event: DragEvent) => this.drag(event, true)}
      @dragleave=${(event: DragEvent) => this.drag(event, false)}
      @drop=${this.drop}
    >
      <h2><label for="note">Clinical note</label></h2>
      <textarea
        id="note"
        rows="9"
        placeholder="Paste or write a note, or drop a text file here"
        autocomplete="off"
        autocorrect="off"
        autocapitalize="off"
        spellcheck="false"
        writingsuggestions="false"
        data-gramm="false"
        ?readonly=${this.held !== undefined}
        aria-describedby="held"
        @input=${this.input}
      ></textarea>
      <p id="held" class="remark">${
        this.held === undefined
          ? ''
          : `This note has ${count(this.held.length)} characters and is read whole; the field shows its beginning. Clear it to write another.`
      }</p>
      <div class="tools">
        <button type="button" id="file-open" @click=${() => this.renderRoot.querySelector<HTMLInputElement>('#file')!.click()}>Open a text file</button>
        <input id="file" type="file" accept="text/*,.txt,.md,.csv,.hl7,.log" hidden @change=${this.fileChosen} />
        <button type="button" id="example" @click=${() => this.showExample(this.example)}>Example note</button>
        <button type="button" id="clear" class="quiet" @click=${this.clear}>Clear</button>
      </div>
      ${this.troubleBox()}
      ${this.gpuRemark()}
    </section>`
  }

  private troubleBox(): TemplateResult {
    const trouble = this.trouble ?? this.modelTrouble()
    return html`<div role="alert">
      ${trouble
        ? html`<p class="trouble">${trouble.message}
            ${trouble.again ? html`<button type="button" @click=${trouble.again}>Try again</button>` : ''}</p>`
        : ''}
    </div>`
  }

  private gpuRemark(): TemplateResult {
    const why = this.current()?.serving?.without
    return html`<p id="without" class="remark" role="status">${why === undefined ? '' : `${WITHOUT[why]}; notes are now read on the processor.`}</p>`
  }

  private modelTrouble(): Trouble | undefined {
    if (this.engine?.broken) {
      return { message: 'The classifier does not start in this browser.', again: () => this.engine?.restart(this.model) }
    }
    const model = this.current()
    return model?.state === 'unusable' ? { message: `This model cannot be used: ${model.reason}` } : undefined
  }

  private answerSide(): TemplateResult {
    if (this.running && this.progress) return this.parts(this.progress)
    if (this.shown) {
      const { result } = this.shown
      const chosen = this.chosen ?? result.labels[0]?.index ?? -1
      return results({
        result,
        chosen,
        all: this.all,
        choose: (index) => this.choose(index),
        showAll: (all) => (this.all = all),
      })
    }
    const state = this.state()
    if (this.current()?.state === 'failed') {
      return html`<p class="empty">The classifier could not be loaded: see the top of the page. You can already write.</p>`
    }
    if (state === 'error') return html``
    if (this.current()?.lost) {
      return html`<p class="empty">The classifier broke down and is being loaded again. Then your note is read.</p>`
    }
    if (state === 'loading') return html`<p class="empty">The classifier is loading. You can already write.</p>`
    if (state === 'classifying') return html`<p class="empty">Reading the note…</p>`
    return html`<p class="empty">Labels appear here as you write.</p>`
  }

  private parts(progress: Progress): TemplateResult {
    return html`<p class="parts">
      <label for="parts">${partsRead(progress)}</label>
      <progress id="parts" max=${progress.of} .value=${progress.done}></progress>
    </p>`
  }

  private why(): TemplateResult | '' {
    const { result, text } = this.progress ? {} : (this.shown ?? {})
    if (result === undefined || text === undefined) return ''
    const explanation = this.explanation(result)
    if (explanation?.features.length) {
      return html`<section class="why" aria-labelledby="why">${evidence(text, explanation, result.tokens !== undefined)}</section>`
    }
    if (this.finding) return html`<section class="why">${this.search(this.finding)}</section>`
    if (result.unexplained && result.terms > 0) {
      return html`<section class="why"><p class="remark">This note is too short to say which part of it matters.</p></section>`
    }
    return ''
  }

  /** Why the label that the reader looks at. */
  private explanation({ labels, explanations }: Result): Explanation | undefined {
    const chosen = this.chosen ?? labels[0]?.index
    return explanations?.find(({ index }) => index === chosen)
  }

  private search(finding: Progress | 'failed'): TemplateResult {
    if (finding === 'failed') {
      return html`<p class="remark">${NOT_FOUND}
        <button type="button" @click=${() => this.shown && this.find(this.shown)}>Try again</button></p>`
    }
    return html`<p class="parts finding">
      <label for="finding">Finding the sentences that matter…</label>
      <progress id="finding" max=${finding.of} .value=${finding.done}></progress>
    </p>`
  }

  private dialogs(): TemplateResult {
    const manifest = this.panel === 'card' ? this.engine?.manifest(this.model) : undefined
    return html`
      <dialog id="card" aria-label="Model card" @close=${this.closed}>
        ${manifest ? html`${closeButton}${card(manifest)}` : ''}
      </dialog>
      <dialog id="proof" aria-label="What left this device" @close=${this.closed}>
        ${this.panel === 'proof' && this.engine
          ? html`${closeButton}${proof({
              hello: this.engine.hello,
              witness: this.engine.witness,
              serving: this.current()?.serving,
              attempts: this.attempts,
              tryToLeak: () => void this.leak(),
            })}`
          : ''}
      </dialog>
    `
  }

  private closed(): void {
    this.panel = undefined
  }

  private drag(event: DragEvent, over: boolean): void {
    if (!event.dataTransfer?.types.includes('Files')) return
    event.preventDefault()
    this.over = over
  }

  private drop(event: DragEvent): void {
    this.over = false
    const file = event.dataTransfer?.files[0]
    if (file === undefined) return
    event.preventDefault()
    void this.takeFile(file)
  }

  private fileChosen(event: Event): void {
    const input = event.target as HTMLInputElement
    const file = input.files?.[0]
    input.value = ''
    if (file !== undefined) void this.takeFile(file)
  }
}

function superseded(): DOMException {
  return new DOMException('A later note took its place.', 'AbortError')
}

/** The sandbox allows no form, not even one with method=dialog. */
const closeButton = html`<button type="button" class="close" @click=${closeDialog}>Close</button>`

function closeDialog(event: Event): void {
  ;(event.target as HTMLElement).closest('dialog')!.close()
}

const logo = html`<svg viewBox="0 0 32 32" aria-hidden="true">
  <path class="sheet" d="M8 4v22a3 3 0 0 0 3 3h12a3 3 0 0 0 3-3V10l-6-6z" />
  <path class="line1" d="M13 16h8" />
  <path class="line2" d="M13 21.5h5" />
</svg>`

const lock = html`<svg viewBox="0 0 20 20" aria-hidden="true">
  <rect x="4" y="9" width="12" height="9" rx="2" />
  <path d="M7 9V6a3 3 0 0 1 6 0v3" fill="none" stroke="currentColor" stroke-width="2" />
</svg>`
