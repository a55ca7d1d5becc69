/** A JSON value, as it is stored. PostgreSQL's JSON takes neither NUL nor half a surrogate pair, so a value with those is stored as text. */
export type Packed = { value?: unknown } | { json: string }

export function pack (value: unknown): Packed {
  if (value === undefined) return {}
  const json = JSON.stringify(value)
  return /\\u(0000|d[89a-f])/.test(json) ? { json } : { value }
}

export function unpack (packed: Packed): unknown {
  return 'json' in packed ? JSON.parse(packed.json) : packed.value
}
