// Fetches one file of the release and takes it only if it is byte for byte the one that index.html names.
import type { Pinned } from '../protocol.js'

const SILENCE = 20_000 // milliseconds without a byte before the server counts as gone

export type Progress = (bytes: number) => void

/** With `again`, no cache may answer: it could be what held the wrong bytes. */
export async function fetchPinned(file: Pinned, again: boolean, progress: Progress): Promise<ArrayBuffer> {
  const bytes = await read(file, again, progress)
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
  if (sha256 !== file.sha256) {
    throw new Error(`${name(file)} is not the file this page was built with (its SHA-256 differs), so it was not used.`)
  }
  return bytes.buffer
}

async function read(file: Pinned, again: boolean, progress: Progress): Promise<Uint8Array<ArrayBuffer>> {
  const abort = new AbortController()
  let watchdog = setTimeout(() => abort.abort(), SILENCE)
  let at = 0
  try {
    // A search part keeps the service worker's shortcut to what is stored from answering.
    const past = again && navigator.serviceWorker?.controller ? '?again' : ''
    const response = await fetch(file.url + past, {
      cache: again ? 'reload' : 'default',
      credentials: 'omit',
      redirect: 'error',
      signal: abort.signal,
    })
    if (!response.ok) throw new Error(`The server answered ${response.status} for ${name(file)}.`)
    const bytes = new Uint8Array(file.size)
    const reader = response.body!.getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      clearTimeout(watchdog)
      watchdog = setTimeout(() => abort.abort(), SILENCE)
      if (at + value.length > file.size) {
        abort.abort()
        throw new Error(`${name(file)} is longer than the ${file.size} bytes it should have.`)
      }
      bytes.set(value, at)
      at += value.length
      progress(value.length)
    }
    if (at < file.size) throw new Error(`${name(file)} ended after ${at} of ${file.size} bytes.`)
    return bytes
  } catch (error) {
    progress(-at)
    if (error instanceof TypeError || (error instanceof DOMException && error.name === 'AbortError')) {
      throw new Error(`The server stopped answering while ${name(file)} was loading.`)
    }
    throw error
  } finally {
    clearTimeout(watchdog)
  }
}

function name(file: Pinned): string {
  return file.url.replace(/^.*\//, '')
}
