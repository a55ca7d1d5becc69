import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import Fastify from 'fastify'
import tasks from '../../../index.ts'
import cluster, { type ClusterOptions, type Kind } from '../../../lib/cluster/index.ts'
import { startServer, type ServerName } from '../fixtures/servers.ts'
import { audit, type Audit, type Listed, type Seen } from './audit.ts'
import { Member } from './fleet.ts'
import { Ledger, now, readLedgers } from './ledger.ts'
import type { Call } from './member.ts'

export interface ChaosOptions {
  tasks: number
  /** ms between two kills. */
  killEvery: number
  /** ms between two processes that are frozen for longer than `stallTimeout`, each, and go on. */
  freezeEvery: number
  /** ms after which it is over, whatever is left. */
  timeout: number
}

const MEMBERS = 4
/** Calls that are under way at a time. */
const CALLS = 32
const stallTimeout = 3000
const maxStalls = 8
const isShared = (name: string) => name.startsWith('shared:')
const oneOf = <T>(values: readonly T[]): T => values[randomInt(values.length)]!

/**
 * Four processes work, add and cancel; one after the other is killed and replaced, one after the other is frozen for longer than
 * `stallTimeout` and goes on, and the server is restarted once. Returns what was found when all tasks have settled.
 */
export async function chaos (name: ServerName, { tasks: total, killEvery, freezeEvery, timeout }: ChaosOptions): Promise<Audit & { seconds: number }> {
  const began = Date.now()
  const server = await startServer(name, { own: true })
  const directory = mkdtempSync(join(tmpdir(), 'fastify-tasks-chaos-'))
  const ledger = new Ledger(directory)
  const options = { connection: server.url, prefix: 'chaos', stallTimeout, timeout: 3000, drainTimeout: 500, cancelTimeout: 3000, maxSettled: 1_000_000 } satisfies ClusterOptions
  const kindOptions = { concurrency: 10, attempts: 3, backoff: 20, maxStalls }
  const problems: string[] = []
  const errors: Record<string, number> = {}
  const all = new Set<Member>()
  const over = new AbortController()
  const fleet: Member[] = []
  const app = Fastify()

  function startMember (): Member {
    const member = new Member([directory, JSON.stringify(options), JSON.stringify(kindOptions)])
    all.add(member)
    return member
  }

  /** Asks a live process, and another one if that has ended or the server has not answered. */
  async function ask (call: Omit<Call, 'call'>) {
    for (;;) {
      const member = oneOf(fleet.filter(({ frozen }) => !frozen))
      const what = call.cancel === undefined ? 'an add' : `cancel ${call.cancel}`
      waiting.add(what)
      const answer = await member.ask(call)
      waiting.delete(what)
      if (answer.error === undefined) return answer.name
      errors[answer.error] = (errors[answer.error] ?? 0) + 1
      if (!['its process has ended', 'FST_ERR_TASK_UNREACHABLE'].includes(answer.error)) return undefined
      if (over.signal.aborted) return undefined
      await setTimeout(20)
    }
  }

  const left = Array.from({ length: total }, (_, n) => n)
  const cancels: Promise<unknown>[] = []
  /** The calls that are not answered yet. */
  const waiting = new Set<string>()
  const seen: Seen[] = []

  async function addSome () {
    for (let n = left.shift(); n !== undefined && !over.signal.aborted; n = left.shift()) {
      const shared = n % 10 === 0
      const unnamed = n % 10 === 1
      const data = { steps: randomInt(1, 10), ms: randomInt(5, 60), fails: n % 25 === 0 ? randomInt(1, 4) : 0 }
      const name = await ask({
        add: {
          data,
          options: {
            ...(!unnamed && { name: shared ? `shared:${randomInt(7)}` : `task:${n}` }),
            ...(shared && { onDuplicate: oneOf(['reject', 'keep', 'replace'] as const) }),
            ...(n % 15 === 0 && { delay: randomInt(1500) }),
            ...(n % 6 === 0 && { priority: randomInt(1, 5) })
          }
        }
      })
      if (n % 20 === 3 && name !== undefined) cancels.push(setTimeout(randomInt(600)).then(() => ask({ cancel: name })))
    }
  }

  /** Waits for the processes that start. One that could not, because the server was away or slow, is started again, as a platform does. */
  async function allReady () {
    for (let i = 0, failures = 0; i < fleet.length;) {
      if (await fleet[i]!.ready) i++
      else if (++failures < 10) fleet[i] = startMember()
      else throw new Error(`a process has not started: ${fleet[i]!.errors}`)
    }
  }

  async function killSome () {
    while (!over.signal.aborted) {
      await setTimeout(killEvery, undefined, { signal: over.signal })
      await allReady() // where a process takes long to start, none would be left to answer
      const i = randomInt(fleet.length)
      const victim = fleet[i]!
      fleet[i] = startMember()
      await victim.kill(ledger)
    }
  }

  async function freezeSome () {
    while (!over.signal.aborted) {
      await setTimeout(freezeEvery, undefined, { signal: over.signal })
      const member = oneOf(fleet)
      await member.ready
      await member.freeze(ledger, randomInt(stallTimeout, 2 * stallTimeout), over.signal)
    }
  }

  /** Reads the running tasks from the queue, again and again. */
  async function observe (kind: Kind<any, any, any>) {
    while (!over.signal.aborted) {
      await setTimeout(50)
      const found = await kind.tasks({ status: ['running', 'cancelling'] }).catch(() => [])
      for (const { id, progress } of found) if (progress !== undefined) seen.push({ at: now(), id, progress })
    }
  }

  async function restartOnce () {
    while (left.length > total / 2) await setTimeout(10, undefined, { signal: over.signal })
    ledger.write('stopped')
    await server.process!.stop()
    await setTimeout(300)
    await server.process!.start()
    ledger.write('back')
  }

  try {
    for (let i = 0; i < MEMBERS; i++) fleet.push(startMember())
    await allReady()
    await app.register(tasks)
    await app.register(cluster, { ...options, work: false })
    const kind = app.cluster.defineTask('chaos', () => {}, kindOptions) as Kind<any, any, any>
    await app.ready()

    const unlessOver = (error: Error) => { if (error.name !== 'AbortError') throw error }
    const faults = Promise.all([killSome().catch(unlessOver), freezeSome().catch(unlessOver), observe(kind)])
    const late = AbortSignal.timeout(timeout)
    const settle = async () => {
      await Promise.all([restartOnce(), ...Array.from({ length: CALLS }, addSome)])
      await Promise.all(cancels)
      while (true) { // workers are killed until nothing is left to do
        try {
          await kind.idle()
          return
        } catch (error) {
          if ((error as { code?: string }).code !== 'FST_ERR_TASK_UNREACHABLE') throw error
        }
      }
    }
    const inTime = await Promise.race([settle().then(() => true), new Promise<false>(resolve => late.addEventListener('abort', () => resolve(false)))])
    if (!inTime) problems.push(`not over after ${timeout} ms: ${left.length} to add, ${waiting.size} answers awaited (${[...waiting].join()}), ${JSON.stringify(await kind.count())}`)
    over.abort()
    await faults
    await allReady()

    const names = [...new Set(readLedgers(directory).flatMap(({ name }) => name ?? []))]
    const listed: Listed[] = []
    for (let i = 0; i < names.length; i += 100) {
      const found = await Promise.all(names.slice(i, i + 100).map(name => kind.getTask(name, { optional: true })))
      for (const task of found) {
        if (task === undefined) continue
        const { id, name, status, settled, startedAt, result, error, progress, attempt, attempts, worker } = task
        listed.push({ id, name, status, settled, startedAt, result, code: error?.code, progress, attempt, attempts, pid: worker?.pid })
      }
    }
    const codes = await Promise.all(fleet.map(member => member.stop()))
    if (codes.some(code => code !== 0)) problems.push(`SIGTERM ended processes with ${codes}`)
    const warnings: Record<string, number> = {}
    for (const member of all) {
      if (!await member.ready && member.errors.includes('FST_ERR_TASK_UNREACHABLE')) continue
      if (member.process.exitCode !== null && !fleet.includes(member)) problems.push(`a process has ended by itself: ${member.errors}`)
      else if (member.errors !== '') problems.push(`a process complains: ${member.errors}`)
      for (const line of member.output.split('\n')) {
        const { level = 0, msg = '', err } = line.endsWith('}') ? JSON.parse(line) : {}
        if (level >= 40 && msg !== 'task failed') warnings[msg] = (warnings[msg] ?? 0) + 1
        else if (level >= 40 && err?.message !== 'as it was told') warnings[`task failed: ${err?.message}`] = (warnings[`task failed: ${err?.message}`] ?? 0) + 1
      }
    }
    const entries = readLedgers(directory).filter(({ name }) => name === undefined || names.includes(name)) // if it is not over, more is added
    const found = audit(entries, listed, seen, { maxStalls, stallTimeout, isShared })
    return {
      counts: { ...found.counts, ...prefixed('answered ', errors), ...prefixed('warned ', warnings) },
      problems: [...problems, ...found.problems],
      seconds: Math.round((Date.now() - began) / 100) / 10
    }
  } finally {
    over.abort()
    for (const member of all) member.process.kill('SIGKILL')
    await app.close()
    await server.remove()
    rmSync(directory, { recursive: true, force: true })
  }
}

function prefixed (prefix: string, counts: Record<string, number>) {
  return Object.fromEntries(Object.entries(counts).map(([key, count]) => [prefix + key, count]))
}
