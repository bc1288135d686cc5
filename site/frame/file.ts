// Turns a file into a note, or says why it is none.
import { NOTE_LIMIT } from '../protocol.js'

/** Why a file is not taken; the message is for the reader. */
export class NotANote extends Error {}

const MAGIC: [prefix: string, kind: string][] = [
  ['%PDF', 'a PDF'],
  ['PK\x03\x04', 'a Word file or another zip archive'],
  ['\xd0\xcf\x11\xe0', 'an old Word file'],
  ['{\\rtf', 'a rich text file'],
  ['\x89PNG', 'an image'],
  ['\xff\xd8\xff', 'an image'],
]
const LOOKED_AT = 64 << 10 // bytes that decide whether a file is text
const CONTROLS = /[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]/g // eslint-disable-line no-control-regex

export async function readNote(file: File): Promise<string> {
  if (file.size > NOTE_LIMIT) {
    const size = (file.size / (1 << 20)).toFixed(0)
    throw new NotANote(`This file has ${size} MiB; a note may have ${NOTE_LIMIT >> 20} MiB at most.`)
  }
  let bytes: Uint8Array
  try {
    bytes = new Uint8Array(await file.arrayBuffer())
  } catch {
    throw new NotANote('This file cannot be read. If it is a folder, open it and choose a file.')
  }
  const text = decode(bytes)
  if (text.trim() === '') throw new NotANote('This file is empty.')
  return text
}

function decode(bytes: Uint8Array): string {
  const start = String.fromCharCode(...bytes.subarray(0, 8))
  for (const [prefix, kind] of MAGIC) {
    if (start.startsWith(prefix)) {
      throw new NotANote(`This is ${kind}, not plain text. Open it, copy the text and paste it here.`)
    }
  }
  if (start.startsWith('\xff\xfe')) return new TextDecoder('utf-16le').decode(bytes)
  if (start.startsWith('\xfe\xff')) return new TextDecoder('utf-16be').decode(bytes)
  const text = utf8(bytes) ?? new TextDecoder('windows-1252').decode(bytes)
  const sample = text.slice(0, LOOKED_AT)
  const controls = sample.match(CONTROLS)?.length ?? 0
  if (sample.includes('\0') || controls > sample.length / 200) {
    throw new NotANote('This file is not text. What you wrote is unchanged.')
  }
  return text
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined // an older system's file, most likely in windows-1252
  }
}
