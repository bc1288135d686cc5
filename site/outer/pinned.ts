// Fetches one file of the release and takes it only if it is byte for byte the one that index.html names.
import type { Pinned } from '../protocol.js'

const SILENCE = 20_000 // milliseconds without a byte before the server counts as gone

export type Progress = (bytes: number) => void

/** Where a file may come from; 'reload' is past every cache, which could be what held the wrong bytes. */
export type Source = 'default' | 'reload' | 'only-if-cached'

export async function fetchPinned(file: Pinned, source: Source, progress: Progress): Promise<ArrayBuffer> {
  const bytes = await read(file, source, progress)
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
  if (sha256 !== file.sha256) {
    throw new Error(`${name(file)} is not the file this page was built with (its SHA-256 differs), so it was not used.`)
  }
  return bytes
}

async function read(file: Pinned, source: Source, progress: Progress): Promise<ArrayBuffer> {
  const abort = new AbortController()
  let watchdog = setTimeout(() => abort.abort(), SILENCE)
  let at = 0
  const arrived = (bytes: number) => {
    clearTimeout(watchdog)
    watchdog = setTimeout(() => abort.abort(), SILENCE)
    if (at + bytes > file.size) {
      abort.abort()
      throw new Error(`${name(file)} is longer than the ${file.size} bytes it should have.`)
    }
    at += bytes
    progress(bytes)
  }
  try {
    // A search part keeps the service worker's shortcut to what is stored from answering.
    const past = source === 'reload' && navigator.serviceWorker?.controller ? '?again' : ''
    const response = await fetch(file.url + past, {
      cache: source,
      mode: 'same-origin',
      credentials: 'omit',
      redirect: 'error',
      signal: abort.signal,
    })
    if (!response.ok) throw new Error(`The server answered ${response.status} for ${name(file)}.`)
    const bytes = await fill(response.body!, file.size, arrived)
    if (at < file.size) throw new Error(`${name(file)} ended after ${at} of ${file.size} bytes.`)
    return bytes
  } catch (error) {
    progress(-at)
    if (error instanceof TypeError || (error instanceof DOMException && error.name === 'AbortError')) {
      throw new Error(
        source === 'only-if-cached'
          ? `The browser has not kept ${name(file)}: it must be fetched again.`
          : `The server stopped answering while ${name(file)} was loading.`,
      )
    }
    throw error
  } finally {
    clearTimeout(watchdog)
  }
}

/** Reads a body of so many bytes; arrived hears of them and throws where there are more. */
async function fill(body: ReadableStream<Uint8Array>, size: number, arrived: (bytes: number) => void): Promise<ArrayBuffer> {
  const reader = byteReader(body)
  if (reader === undefined) return collect(body.getReader(), size, arrived)
  let bytes = new ArrayBuffer(size)
  for (let at = 0; at < size; ) {
    const { done, value } = await reader.read(new Uint8Array(bytes, at))
    if (value !== undefined) bytes = value.buffer as ArrayBuffer
    if (done) return bytes
    arrived(value.length)
    at += value.length
  }
  const { done, value } = await reader.read(new Uint8Array(1))
  if (!done) arrived(value.length)
  return bytes
}

/** A reader that fills our own buffer, in the browsers that have one for bodies. */
function byteReader(body: ReadableStream<Uint8Array>): ReadableStreamBYOBReader | undefined {
  try {
    return body.getReader({ mode: 'byob' })
  } catch {
    return undefined
  }
}

async function collect(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  size: number,
  arrived: (bytes: number) => void,
): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(size)
  for (let at = 0; ; ) {
    const { done, value } = await reader.read()
    if (done) return bytes.buffer
    arrived(value.length)
    bytes.set(value, at)
    at += value.length
  }
}

function name(file: Pinned): string {
  return file.url.replace(/^.*\//, '')
}
