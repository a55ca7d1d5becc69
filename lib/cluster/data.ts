import type { FastifyInstance } from 'fastify'
import { FST_ERR_TASK_INVALID_OPTION } from '../core/errors.ts'
import { FST_ERR_TASK_INVALID_DATA } from './errors.ts'
import { copyJson } from './json.ts'

/** A validator that the app's compiler has made. */
type Validate = ((data: unknown) => unknown) & { errors?: { instancePath?: string, message?: string }[] | null }

/** Checks the data of a kind's tasks: it must be JSON and match the kind's schema. */
export class DataCheck {
  readonly #kind: string
  readonly #app: FastifyInstance
  readonly #schema: unknown
  #validate: Validate | undefined

  constructor (kind: string, app: FastifyInstance, schema: unknown) {
    this.#kind = kind
    this.#app = app
    this.#schema = schema
  }

  /** Throws `FST_ERR_TASK_INVALID_OPTION` for a schema that the app's compiler does not take. */
  compile (): void {
    if (this.#schema === undefined || this.#validate !== undefined) return
    const compile = compilerOf(this.#app)
    try {
      this.#validate = compile({ schema: this.#schema, method: '', url: '', httpPart: 'body' })
    } catch (error) {
      throw new FST_ERR_TASK_INVALID_OPTION('schema', `kind "${this.#kind}"`, `cannot be compiled: ${(error as Error).message}`)
    }
  }

  /** Returns a copy of the data. As with a body, the app's validator may convert types and fill in defaults. */
  accept (data: unknown, label: string): unknown {
    const copy = copyOf(data, label)
    this.compile()
    if (this.#validate === undefined) return copy
    const answer = this.#validate(copy)
    if (answer === false) throw new FST_ERR_TASK_INVALID_DATA(label, messageOf(this.#validate.errors))
    const { error, value = copy } = Object(answer) as { error?: Error, value?: unknown }
    if (error !== undefined) throw new FST_ERR_TASK_INVALID_DATA(label, error.message)
    return copyOf(value, label) // a validator may return anything, such as a Date
  }
}

function copyOf (data: unknown, label: string): unknown {
  if (data === undefined) return undefined
  try {
    return copyJson(data)
  } catch (error) {
    throw new FST_ERR_TASK_INVALID_DATA(label, (error as Error).message)
  }
}

function messageOf (errors: Validate['errors']): string {
  return (errors ?? []).map(({ instancePath = '', message = '' }) => `data${instancePath} ${message}`).join(', ')
}

type Compiler = (context: { schema: unknown, method: string, url: string, httpPart: string }) => Validate

/**
 * The app's compiler. Fastify makes it for the first route that has a schema, and has no public way to make it sooner. So this makes
 * it as such a route does.
 */
function compilerOf (app: FastifyInstance): Compiler {
  const controller = internal(app, 'fastify.schemaController') as { setupValidator (options: unknown): void } | undefined
  controller?.setupValidator(internal(app, 'fastify.options'))
  return app.validatorCompiler as unknown as Compiler
}

function internal (app: FastifyInstance, description: string): unknown {
  for (let owner: object | null = app; owner !== null; owner = Object.getPrototypeOf(owner)) {
    const symbol = Object.getOwnPropertySymbols(owner).find(symbol => symbol.description === description)
    if (symbol !== undefined) return (owner as Record<symbol, unknown>)[symbol]
  }
  return undefined
}
