// What the page asks of both engines.

/** A text of a known number of tokens. */
export interface Note {
  text: string
  /** [CLS] and [SEP] included. */
  ids: number[]
}

/** What came of a start. */
export interface Opening {
  /** Milliseconds until it can answer. */
  ready: number
  /** What computes, where there is a choice. */
  device?: string
}

export interface Answer {
  /** From the note to its logits, in the worker. */
  ms: number
  logits: number[]
  /** What a GPU was asked for, where one was. */
  asked?: Asked
}

/** What an engine asked a GPU for. */
export interface Asked {
  dispatches: number
  submits: number
  readBacks: number
}

/** An engine in a worker of its own, with one model. */
export interface Engine {
  open(model: string, threads: number): Promise<Opening>
  /** Counts what is asked of GPUs too. */
  run(note: Note): Promise<Answer>
  /** Milliseconds that a GPU's pipelines took longer than its weights, once a note was run. */
  readonly late?: number
  close(): void
}

/** A worker that answers one call after another. */
export class Caller {
  private readonly waiting: { resolve: (value: never) => void; reject: (error: Error) => void }[] = []

  constructor(private readonly worker: Worker) {
    worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      const next = this.waiting.shift()
      if ('error' in data) next?.reject(new Error(data.error))
      else next?.resolve(data.value as never)
    }
    worker.onerror = (event) => {
      for (const { reject } of this.waiting.splice(0)) reject(new Error(event.message || 'the worker did not start'))
    }
  }

  call<T>(name: string, ...parameters: unknown[]): Promise<T> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject })
      this.worker.postMessage({ name, parameters } satisfies Call)
    })
  }
}

export interface Call {
  name: string
  parameters: unknown[]
}

export type Reply = { value: unknown } | { error: string }
