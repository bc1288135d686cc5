// What the outer document shows of itself: how far loading is, and what went wrong.

const PATIENCE = 400 // milliseconds before a load counts as worth a progress bar

export class Status {
  private readonly loading = document.getElementById('loading')!
  private readonly bar = document.getElementById('progress') as HTMLProgressElement
  private readonly failure = document.getElementById('failure')!
  private timer = 0
  private total = 0
  private done = 0

  /** Announces a load of so many further bytes. */
  begin(bytes: number): void {
    this.total += bytes
    this.failure.replaceChildren()
    clearTimeout(this.timer)
    this.timer = setTimeout(() => (this.loading.hidden = false), PATIENCE)
    document.documentElement.dataset['state'] = 'loading'
  }

  progress(bytes: number): void {
    this.done += bytes
    this.bar.value = Math.min(1, this.done / this.total)
  }

  /** All files are handed in; what is left is the frame's work. */
  delivered(): void {
    this.total = 0
    this.done = 0
    this.hideBar()
  }

  ready(): void {
    document.documentElement.dataset['state'] = 'ready'
  }

  fail(message: string, retry: () => void): void {
    this.delivered()
    document.documentElement.dataset['state'] = 'error'
    const text = document.createElement('p')
    text.textContent = message
    const button = document.createElement('button')
    button.type = 'button'
    button.textContent = 'Try again'
    button.addEventListener(
      'click',
      () => {
        document.querySelector('iframe')?.focus() // the button is about to go
        retry()
      },
      { once: true },
    )
    this.failure.replaceChildren(text, button)
  }

  private hideBar(): void {
    clearTimeout(this.timer)
    this.loading.hidden = true
  }
}
