const MAX_DEPTH = 500

/** Thrown for a value that is not JSON. */
class NotJson extends Error {}

/**
 * A copy of a JSON value. Throws an error that says where the value is not JSON, and what it is there:
 * `data.items[3] is a function`.
 */
export function copyJson (value: unknown, name = 'data'): unknown {
  const keys: (string | number)[] = []
  try {
    return copyOf(value, keys, [])
  } catch (error) {
    if (!(error instanceof NotJson)) throw error
    throw new TypeError(`${name}${keys.map(step).join('')} ${error.message}`)
  }
}

/** When it throws, `keys` is the path to the value that is not JSON. */
function copyOf (value: unknown, keys: (string | number)[], parents: object[]): unknown {
  if (typeof value !== 'object' || value === null) return scalar(value)
  const problem = objectProblem(value, parents)
  if (problem !== undefined) throw new NotJson(problem)
  parents.push(value)
  const copy = Array.isArray(value) ? copyOfItems(value, keys, parents) : copyOfProperties(value as Record<string, unknown>, keys, parents)
  parents.pop()
  return copy
}

function copyOfItems (items: unknown[], keys: (string | number)[], parents: object[]): unknown[] {
  const copy: unknown[] = []
  for (let i = 0; i < items.length; i++) {
    keys.push(i)
    copy.push(copyOf(items[i], keys, parents))
    keys.pop()
  }
  return copy
}

function copyOfProperties (object: Record<string, unknown>, keys: (string | number)[], parents: object[]): Record<string, unknown> {
  const copy: Record<string, unknown> = {}
  for (const key of Object.keys(object)) {
    const value = object[key]
    if (value === undefined) continue // as JSON has it: left out
    keys.push(key)
    const item = copyOf(value, keys, parents)
    keys.pop()
    if (key === '__proto__') Object.defineProperty(copy, key, { value: item, enumerable: true, configurable: true, writable: true })
    else copy[key] = item
  }
  return copy
}

function scalar (value: unknown): unknown {
  const problem = scalarProblem(value)
  if (problem !== undefined) throw new NotJson(problem)
  return value === 0 ? 0 : value // JSON has no -0
}

function scalarProblem (value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'object': // null
      return undefined
    case 'number':
      return Number.isFinite(value) ? undefined : `is ${value}`
    default:
      return `is ${value === undefined ? 'undefined' : `a ${typeof value}`}`
  }
}

function objectProblem (value: object, parents: object[]): string | undefined {
  if (parents.includes(value)) return 'contains itself'
  if (parents.length === MAX_DEPTH) return 'is nested too deeply'
  if (Array.isArray(value)) return undefined
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return `is a ${prototype.constructor?.name ?? 'class instance'}`
  return typeof (value as { toJSON?: unknown }).toJSON === 'function' ? 'has a toJSON' : undefined
}

/** A step of the path, as it is written in code. */
function step (key: string | number): string {
  if (typeof key === 'number') return `[${key}]`
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
}
