/** Where a value is not JSON, and what it is there: `data.items[3] is a function`. Undefined if it is JSON throughout. */
export function jsonProblem (value: unknown, path = 'data', parents: object[] = []): string | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined
    case 'number':
      return Number.isFinite(value) ? undefined : `${path} is ${value}`
    case 'object':
      break
    default:
      return `${path} is ${typeof value === 'undefined' ? 'undefined' : `a ${typeof value}`}`
  }
  if (value === null) return undefined
  if (parents.includes(value)) return `${path} contains itself`
  if (parents.length === MAX_DEPTH) return `${path} is nested too deeply`
  const inside = [...parents, value]
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const problem = jsonProblem(value[i], `${path}[${i}]`, inside)
      if (problem !== undefined) return problem
    }
    return undefined
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return `${path} is a ${prototype.constructor?.name ?? 'class instance'}`
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') return `${path} has a toJSON`
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue // as JSON has it: left out
    const problem = jsonProblem(item, `${path}${/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`}`, inside)
    if (problem !== undefined) return problem
  }
  return undefined
}

const MAX_DEPTH = 500

/** A copy of a value as JSON carries it. Throws what `JSON.stringify` throws. */
export function jsonCopy (value: unknown): unknown {
  const text = JSON.stringify(value)
  return text === undefined ? undefined : JSON.parse(text)
}
