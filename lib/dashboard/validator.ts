import type { FastifySchemaCompiler, FastifySerializerCompiler } from 'fastify'

interface Parameter {
  type: 'string' | 'integer'
  enum?: readonly string[]
  maxLength?: number
  minimum?: number
  maximum?: number
  default?: string | number
}

interface QuerySchema {
  required: readonly string[]
  properties: Record<string, Parameter>
}

/**
 * Compiles the schema of a querystring. The dashboard has its own validator, because the app's may be zod's or TypeBox's and may
 * not know these schemas. A value may be a text, a number or a boolean, since querystring parsers differ.
 */
export const compileValidator: FastifySchemaCompiler<any> = ({ schema, method }) => querystring => {
  try {
    if (method !== 'GET' && method !== 'HEAD') checkNarrow(schema as QuerySchema, querystring)
    return { value: readQuerystring(schema as QuerySchema, querystring) }
  } catch (error) {
    return { error: error as Error }
  }
}

/** Turns a reply into text. The dashboard's replies are text already, but a hook of the app may reply with an object. */
export const compileSerializer: FastifySerializerCompiler<any> = () => payload => typeof payload === 'string' ? payload : JSON.stringify(payload)

/**
 * Refuses what would not narrow down the tasks that a change is for: a parameter that does not exist, or that is empty. A list ignores
 * both, since apps pass tokens to it: an EventSource has no other place for them.
 */
function checkNarrow ({ properties }: QuerySchema, querystring: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(querystring)) {
    if (!Object.hasOwn(properties, name)) throw new Error(`querystring must not have '${name}', but only ${Object.keys(properties).join(', ')}`)
    if (value === '') throw new Error(`querystring/${name} must not be empty`)
  }
}

function readQuerystring ({ required, properties }: QuerySchema, querystring: Record<string, unknown>) {
  const values: Record<string, string | number> = {}
  for (const [name, parameter] of Object.entries(properties)) {
    const value = read(name, parameter, querystring[name])
    if (value !== undefined) values[name] = value
    else if (required.includes(name)) throw new Error(`querystring must have '${name}'`)
  }
  return values
}

function read (name: string, parameter: Parameter, value: unknown): string | number | undefined {
  if (value === undefined || value === null || value === '') return parameter.default
  if (typeof value === 'object') throw new Error(`querystring/${name} must be given once`)
  return parameter.type === 'string' ? readText(name, parameter, String(value)) : readInteger(name, parameter, String(value))
}

function readText (name: string, { enum: allowed, maxLength = Infinity }: Parameter, text: string): string {
  if (allowed?.includes(text) === false) throw new Error(`querystring/${name} must be one of ${allowed.join(', ')}`)
  if (text.length > maxLength) throw new Error(`querystring/${name} must have at most ${maxLength} characters`)
  return text
}

function readInteger (name: string, { minimum, maximum }: Parameter, text: string): number {
  const number = Number(text)
  if (/^[0-9]+$/.test(text) && number >= minimum! && number <= maximum!) return number
  throw new Error(`querystring/${name} must be a whole number from ${minimum} to ${maximum}`)
}
