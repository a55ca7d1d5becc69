import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import type { Answer, Call } from './member.ts'
import type { Ledger } from './ledger.ts'

/** A process of the chaos run, as it is seen from outside. */
export class Member {
  readonly process: ChildProcess
  /** Whether it is ready; not if it has ended before that. */
  readonly ready: Promise<boolean>
  readonly exit: Promise<unknown[]>
  output = ''
  errors = ''
  frozen = false
  readonly #answers = new Map<number, (answer: Answer) => void>()
  #calls = 0

  constructor (args: string[]) {
    this.process = fork(new URL('member.ts', import.meta.url), args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    this.process.stdout!.on('data', chunk => { this.output += chunk })
    this.process.stderr!.on('data', chunk => { this.errors += chunk })
    this.process.on('message', (answer: Answer) => {
      this.#answers.get(answer.call)?.(answer)
      this.#answers.delete(answer.call)
    })
    this.exit = once(this.process, 'close')
    this.exit.then(() => {
      for (const [call, answered] of this.#answers) answered({ call, error: 'its process has ended' })
    })
    this.ready = new Promise(resolve => this.#answers.set(0, ({ error }) => resolve(error === undefined)))
  }

  get alive () { return this.process.exitCode === null && this.process.signalCode === null && !this.process.killed && this.process.connected }

  /** Resolves to the answer of the process, or to an answer that says that it has ended. Never rejects. */
  async ask (call: Omit<Call, 'call'>): Promise<Answer> {
    await this.ready
    const number = ++this.#calls
    return await new Promise(resolve => {
      const ended = () => resolve({ call: number, error: 'its process has ended' })
      if (!this.alive) return ended()
      this.#answers.set(number, resolve)
      this.process.send({ ...call, call: number }, error => { if (error !== null) ended() })
    })
  }

  async kill (ledger: Ledger) {
    this.process.kill('SIGKILL')
    ledger.write('killed', { pid: this.process.pid! })
    await this.exit
  }

  /** Freezes the process for so long, like a laptop whose lid is closed. */
  async freeze (ledger: Ledger, ms: number, signal: AbortSignal) {
    const { pid } = this.process
    this.frozen = this.process.kill('SIGSTOP')
    if (!this.frozen) return
    ledger.write('frozen', { pid: pid! })
    try {
      await setTimeout(ms, undefined, { signal })
    } finally {
      ledger.write('thawed', { pid: pid! })
      this.process.kill('SIGCONT')
      this.frozen = false
    }
  }

  /** Resolves to its exit code. */
  async stop (): Promise<unknown> {
    this.process.kill('SIGTERM')
    const [code] = await this.exit
    return code
  }
}
