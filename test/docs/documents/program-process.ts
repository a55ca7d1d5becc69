import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

interface Answer {
  error?: string
  url?: string
  problems?: string[]
  printed?: Array<{ line: number, text: string }>
}

const runner = fileURLToPath(new URL('run-programs.ts', import.meta.url))

/** Arguments of `env` that run Node without what tap gives to the processes of a test: nothing of this is its coverage. */
export const asUser = ['-u', 'NODE_OPTIONS', '-u', 'NODE_V8_COVERAGE', process.execPath, '-C', 'fastify-tasks-source', '--import', 'tsx']

/** The process that runs programs; another one after one that a program has ended or kept for too long. */
export class ProgramProcess {
  #child: ChildProcess | undefined
  #output = ''

  start (file: URL): Promise<Answer> {
    this.#output = ''
    return this.#ask({ verb: 'start', url: file.href })
  }

  finish (): Promise<Answer> {
    return this.#ask({ verb: 'finish' })
  }

  async stop () {
    const child = this.#child
    if (child === undefined) return
    this.#child = undefined
    const close = once(child, 'close')
    child.kill('SIGKILL')
    await close
  }

  async #ask (question: object): Promise<Answer> {
    const child = this.#child ??= this.#fork()
    const late = setTimeout(() => child.kill('SIGKILL'), 120_000)
    const answer = new Promise<Answer>(resolve => {
      child.once('message', (answer: Answer) => {
        child.removeAllListeners('close')
        resolve(answer)
      })
      child.once('close', (code, signal) => {
        this.#child = undefined
        resolve({ error: `The program ended its process (${code ?? signal})\n${this.#output}` })
      })
    })
    child.send(question)
    await answer
    clearTimeout(late)
    return answer
  }

  #fork () {
    const child = spawn('env', [...asUser, runner], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', chunk => { this.#output += chunk })
    return child
  }
}
