import { openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** What happened to a task in one process, or to the process itself. `at` is on a clock that all processes of a machine share. */
export interface Entry {
  at: number
  pid: number
  what: 'added' | 'started' | 'ended' | 'threw' | 'aborted' | 'cancel asked' | 'cancel done' | 'killed' | 'frozen' | 'thawed' | 'stood still' | 'stopped' | 'back'
  id?: number
  name?: string
  run?: string
  attempt?: number
  done?: number
  /** The run that wrote the progress which this one begins with. */
  from?: string
  status?: string
  /** When a process went on that stood still by itself. */
  until?: number
}

/** ms, on a clock that all processes of a machine share. */
export function now (): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}

/** The work itself writes it, to one file for each process. So it survives the process and does not depend on a queue. */
export class Ledger {
  readonly #file: number

  constructor (directory: string) {
    this.#file = openSync(join(directory, `${process.pid}.ledger`), 'a')
  }

  write (what: Entry['what'], entry: Omit<Entry, 'at' | 'what' | 'pid'> & { at?: number, pid?: number } = {}): void {
    writeSync(this.#file, `${JSON.stringify({ at: now(), pid: process.pid, what, ...entry } satisfies Entry)}\n`)
  }
}

/** What all processes wrote, in the order in which it happened. The last line of a killed process may be cut off. */
export function readLedgers (directory: string): Entry[] {
  const lines = readdirSync(directory).filter(file => file.endsWith('.ledger')).flatMap(file => readFileSync(join(directory, file), 'utf8').split('\n'))
  return lines.filter(line => line.endsWith('}')).map(line => JSON.parse(line) as Entry).sort((a, b) => a.at - b.at)
}
