/** Where a value is not JSON, and what it is there: `data.items[3] is a function`. Undefined if it is JSON throughout. */
export function jsonProblem (value: unknown, path = 'data'): string | undefined {
  const problem = problemOf(value, [])
  return problem === undefined ? undefined : `${path}${problem.keys.map(step).join('')} ${problem.what}`
}

const MAX_DEPTH = 500

interface Problem {
  readonly keys: (string | number)[]
  readonly what: string
}

/** The path is made on the way back: most values have no problem. */
function problemOf (value: unknown, parents: object[]): Problem | undefined {
  const what = typeof value === 'object' && value !== null ? objectProblem(value, parents) : scalarProblem(value)
  if (what !== undefined) return { keys: [], what }
  if (typeof value !== 'object' || value === null) return undefined
  parents.push(value)
  const isArray = Array.isArray(value)
  for (const key of isArray ? value.keys() : Object.keys(value)) {
    const item = (value as Record<string | number, unknown>)[key]
    if (item === undefined && !isArray) continue // as JSON has it: left out
    const problem = problemOf(item, parents)
    if (problem === undefined) continue
    problem.keys.unshift(key)
    return problem
  }
  parents.pop()
  return undefined
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

/** As one would write it in code. */
function step (key: string | number): string {
  if (typeof key === 'number') return `[${key}]`
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
}

/** A copy of a value as JSON carries it. Throws what `JSON.stringify` throws. */
export function jsonCopy (value: unknown): unknown {
  const text = JSON.stringify(value)
  return text === undefined ? undefined : JSON.parse(text)
}
