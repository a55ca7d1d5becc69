import { StringDecoder } from 'node:string_decoder'

/** Bytes of a text that a list shows. */
const MAX_BYTES = 2048

/** A text of at most 2 KB, or as much of it. No character is cut in two. */
function cut (text: string): string {
  if (text.length <= MAX_BYTES && Buffer.byteLength(text) <= MAX_BYTES) return text
  const bytes = Buffer.from(text.slice(0, MAX_BYTES)).subarray(0, MAX_BYTES)
  return `${new StringDecoder().write(bytes)}…`
}

/** The JSON of a value as it is; undefined for what JSON leaves out. */
function whole (value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    return '"[unreadable]"' // a cycle, a BigInt, a getter that throws
  }
}

/** The JSON of a value for a list. */
function short (value: unknown): string | undefined {
  if (typeof value === 'string') return JSON.stringify(cut(value))
  const json = whole(value)
  return json === undefined || Buffer.byteLength(json) <= MAX_BYTES ? json : JSON.stringify(cut(json))
}

/** The JSON of a state, each of its values by itself, so that one that cannot be told spoils no other. */
function stateJson (state: object, valueJson: (value: unknown, key: string) => string | undefined): string {
  const members = []
  for (const [key, value] of Object.entries(state)) {
    const json = valueJson(value, key)
    if (json !== undefined) members.push(`${JSON.stringify(key)}:${json}`)
  }
  return `{${members.join()}}`
}

/** A state as `GET tasks/:id` tells it. */
export function wholeRow (state: object): string {
  return stateJson(state, whole)
}

/** The JSON of an error for a list: too long, its texts are cut each by itself. */
function shortError (error: unknown): string | undefined {
  const json = whole(error)
  if (json === undefined || Buffer.byteLength(json) <= MAX_BYTES || !json.startsWith('{')) return short(error)
  return stateJson(JSON.parse(json), short)
}

/** A state as lists tell it. */
export function shortRow (state: object): string {
  return stateJson(state, (value, key) => key === 'error' ? shortError(value) : short(value))
}
