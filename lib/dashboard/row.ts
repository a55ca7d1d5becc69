import { StringDecoder } from 'node:string_decoder'

/** How many bytes of a text a list shows. */
const MAX_BYTES = 2048

/** A text, cut after so many bytes. No character is cut in two. */
export function cut (text: string, maxBytes = MAX_BYTES): string {
  if (text.length <= maxBytes && Buffer.byteLength(text) <= maxBytes) return text
  const bytes = Buffer.from(text.slice(0, maxBytes)).subarray(0, maxBytes)
  return `${new StringDecoder().write(bytes)}…`
}

/** The JSON of a value; undefined for what JSON leaves out. */
export function whole (value: unknown): string | undefined {
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

/** The JSON of an object. Its values are serialized one by one, so that a value that JSON cannot hold does not harm the others. */
export function stateJson (state: object, valueJson: (value: unknown, key: string) => string | undefined): string {
  const members = []
  for (const [key, value] of Object.entries(state)) {
    const json = valueJson(value, key)
    if (json !== undefined) members.push(`${JSON.stringify(key)}:${json}`)
  }
  return `{${members.join()}}`
}

/** The JSON of a state in the reply about one task. */
export function wholeRow (state: object): string {
  return stateJson(state, whole)
}

/** The JSON of an error for a list. If it is too long, each of its texts is cut by itself. */
function shortError (error: unknown): string | undefined {
  const json = whole(error)
  if (json === undefined || Buffer.byteLength(json) <= MAX_BYTES || !json.startsWith('{')) return short(error)
  return stateJson(JSON.parse(json), short)
}

/** The JSON of a state in a list. */
export function shortRow (state: object): string {
  return stateJson(state, (value, key) => key === 'error' ? shortError(value) : short(value))
}
