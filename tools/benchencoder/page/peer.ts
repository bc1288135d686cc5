import { Caller, type Answer, type Engine, type Note, type Opening } from './engine.js'

/** onnxruntime-web. */
export class Peer implements Engine {
  private readonly script = new Worker('/peer-worker.js', { type: 'module' })
  private readonly worker = new Caller(this.script)

  /** Of the model's forms in ONNX, one. */
  constructor(
    private readonly provider: 'wasm' | 'webgpu',
    private readonly form: 'model' | 'float32' = 'model',
  ) {}

  open(model: string, threads: number): Promise<Opening> {
    return this.worker.call('open', model, threads, performance.timeOrigin + performance.now(), this.provider, this.form)
  }

  run(note: Note): Promise<Answer> {
    return this.worker.call('run', note)
  }

  close(): void {
    this.script.terminate()
  }
}
