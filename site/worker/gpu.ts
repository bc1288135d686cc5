// A device for bedside.wasm: a GPU. The worker can have none, but the frame's window may, so everything goes there as
// messages, of which only a settlement is waited for. kernels/webgpu/ABI.md says what they mean.
import type { FromGpu, GpuLimits, GpuTrouble, Range, Serving, ToGpu } from '../protocol.js'
import { DONE, LOST, PENDING, type Recorder } from './device.js'

type Post = (message: ToGpu, transfer: Transferable[]) => void

const FIRST = 256 // the first address
const OPENING = 20_000 // milliseconds until a GPU is open
const LOADING = 60_000 // without a sign of it while nobody waits: one made of software is long about a pipeline
const WAITED = 500 // the same while a note waits, before it is read elsewhere: five times what a part is to take
const LATE = 20_000 // and from then on until it is given up
const MISSED = 3 // notes in a row that it was late with, until it is given up
const WORD = 4 // bytes

/** The worker's end of the wire. */
export class GpuDevices {
  private readonly opening = new Map<number, (message: FromGpu) => void>()
  private readonly open = new Map<number, GpuDevice>()
  private last = 0

  constructor(private readonly post: Post) {}

  /** A GPU for one model, or why there is none. */
  async create(): Promise<GpuDevice | GpuTrouble> {
    const gpu = ++this.last
    const opened = new Promise<FromGpu>((resolve) => this.opening.set(gpu, resolve))
    this.post({ kind: 'gpu-open', gpu }, [])
    const answer = await Promise.race([opened, silence()])
    this.opening.delete(gpu)
    if (answer?.kind === 'gpu-lost') return answer.trouble
    if (answer?.kind !== 'gpu-opened') return 'silent'
    const device = new GpuDevice(gpu, answer.limits, this.post)
    this.open.set(gpu, device)
    void device.lost.then(() => this.open.delete(gpu))
    return device
  }

  hear(message: FromGpu): void {
    const { gpu } = message
    if (message.kind === 'gpu-settled') this.open.get(gpu)?.hear(message.answers)
    else if (message.kind === 'gpu-working') this.open.get(gpu)?.wait()
    else if (message.kind === 'gpu-lost' && this.open.has(gpu)) this.open.get(gpu)!.lose(message.trouble)
    else if (this.opening.has(gpu)) this.opening.get(gpu)!(message)
    else if (message.kind === 'gpu-opened') this.post({ kind: 'gpu-close', gpu }, []) // nobody waits for it any more
  }
}

export class GpuDevice implements Recorder {
  readonly serving: Serving = { device: 'webgpu', threads: 1 }
  /** Resolves to why, when the GPU can do no more. */
  readonly lost: Promise<GpuTrouble>
  /** It does not answer: it may be slow, for others keep it busy, or hang. What it is asked meanwhile waits in vain. */
  late = false
  /** Hears that it is late, or no longer. */
  changed = () => {}
  /** Notes wait for it. */
  hurried = false

  private gone = false
  private missed = 0
  private lastWord!: (trouble: GpuTrouble) => void
  private end = FIRST
  private pipelines = 0
  private lists = 0
  /** What was to be read since the last submit, and the answers of the last settlement, in the same order. */
  private asked: Range[] = []
  private answers: Uint8Array[] = []
  private settling: (() => void) | undefined
  private timer = 0
  /** Words that were written in parts, by their address: a GPU takes whole ones. */
  private readonly parted = new Map<number, Uint8Array>()

  constructor(
    private readonly gpu: number,
    readonly limits: GpuLimits,
    private readonly post: Post,
  ) {
    this.lost = new Promise((resolve) => (this.lastWord = resolve))
  }

  reserve(end: number): boolean {
    if (this.gone) return false
    if (end > this.end) this.tell({ kind: 'gpu-reserve', gpu: this.gpu, end })
    this.end = Math.max(this.end, end)
    return true
  }

  write(to: number, bytes: Uint8Array): void {
    this.check(to, bytes.length)
    const head = Math.min((WORD - (to % WORD)) % WORD, bytes.length)
    const tail = bytes.length - ((bytes.length - head) % WORD)
    this.writePart(to, bytes.subarray(0, head))
    if (tail > head) this.writeWords(to + head, bytes.slice(head, tail))
    this.writePart(to + tail, bytes.subarray(tail))
  }

  read(bytes: Uint8Array, from: number): number {
    if (this.gone) return LOST
    this.check(from, bytes.length)
    const at = this.asked.findIndex((range) => range.from === from && range.length === bytes.length)
    const answer = this.answers[at]
    if (answer !== undefined) {
      bytes.set(answer)
      return DONE
    }
    if (at < 0) this.asked.push({ from, length: bytes.length })
    return PENDING
  }

  pipeline(name: string): number {
    this.tell({ kind: 'gpu-pipeline', gpu: this.gpu, name })
    return this.pipelines++
  }

  record(words: Uint8Array): number {
    const list = words.slice().buffer
    this.tell({ kind: 'gpu-record', gpu: this.gpu, list }, [list])
    return this.lists++
  }

  submit(list: number, bytes: Uint8Array): number {
    if (this.gone) return LOST
    this.asked = []
    this.answers = []
    const params = bytes.slice().buffer
    this.tell({ kind: 'gpu-submit', gpu: this.gpu, list, params }, [params])
    return DONE
  }

  /** Resolves at the latest when it is late. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      if (this.gone || this.late) return resolve()
      this.settling = resolve
      this.tell({ kind: 'gpu-settle', gpu: this.gpu, reads: this.asked })
      this.wait()
    })
  }

  /** Gives the GPU its time anew, where it is waited for. */
  wait(): void {
    clearTimeout(this.timer)
    if (this.settling === undefined && !this.late) return
    this.timer = setTimeout(() => this.doubt(), this.late ? LATE : this.hurried ? WAITED : LOADING)
  }

  /** Hears the answers to a settlement. */
  hear(answers: ArrayBuffer[]): void {
    this.answers = answers.map((answer) => new Uint8Array(answer))
    if (this.late) {
      this.late = false
      this.changed()
    } else this.missed = 0
    this.settle()
  }

  /** Hears that the GPU is no more. */
  lose(trouble: GpuTrouble): void {
    this.gone = true
    this.late = false
    this.lastWord(trouble)
    this.settle()
  }

  close(): void {
    this.tell({ kind: 'gpu-close', gpu: this.gpu })
    this.gone = true
    this.settle()
  }

  private doubt(): void {
    if (this.late || !this.hurried || ++this.missed === MISSED) {
      this.close()
      this.lose('silent')
      return
    }
    this.late = true
    this.changed()
    this.settle()
    this.wait()
  }

  /** Ends the wait. */
  private settle(): void {
    clearTimeout(this.timer)
    this.settling?.()
    this.settling = undefined
  }

  /** Writes a part of one word, and of the rest what is known of it: memory is fresh, or was written by this. */
  private writePart(to: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return
    const address = to - (to % WORD)
    const word = this.parted.get(address) ?? new Uint8Array(WORD)
    word.set(bytes, to - address)
    this.parted.set(address, word)
    this.writeWords(address, word.slice())
  }

  private writeWords(to: number, { buffer: data }: Uint8Array<ArrayBuffer>): void {
    this.tell({ kind: 'gpu-write', gpu: this.gpu, to, data }, [data])
  }

  private check(address: number, length: number): void {
    if (address < FIRST || address + length > this.end) throw new RangeError('the range lies outside the memory')
  }

  private tell(message: ToGpu, transfer: Transferable[] = []): void {
    if (!this.gone) this.post(message, transfer)
  }
}

function silence(): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, OPENING, undefined))
}
