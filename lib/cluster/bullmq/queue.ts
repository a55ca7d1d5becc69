import type { JobState } from 'bullmq'
import { isDeepStrictEqual } from 'node:util'
import type { KindWorker, SettledCounts, TaskCounts, When } from '../../../types/cluster.ts'
import type { TaskStatus } from '../../../types/index.ts'
import type { Added, Cancelled, Changed, NewTask, Queue as TaskQueue, QueueSettings, Run, StoredError, StoredSchedule, StoredTask, Stopped } from '../engine.ts'
import { Adder } from './adder.ts'
import { Announcements, announcementsOf } from './announcements.ts'
import { Canceller } from './canceller.ts'
import { Events } from './events.ts'
import type { Answered } from './health-monitor.ts'
import { encodeName, jobIdOf } from './ids.ts'
import { blank, readBefore, type TaskJob } from './job.ts'
import { readHistory, readLatency, readWorkers } from './numbers.ts'
import { readNamed, readPage } from './pages.ts'
import { replaceData, type Parts } from './parts.ts'
import { Reader } from './reader.ts'
import { Remover } from './remover.ts'
import { retryJob } from './retry.ts'
import { Runs } from './runs.ts'
import { listSchedules, removeSchedule, setSchedule } from './schedules.ts'
import { makeQueue, type Shared } from './shared.ts'
import type { AnyQueue } from './store.ts'

/** The tasks of one kind, each a job. */
export class BullQueue implements TaskQueue {
  readonly #parts: Parts
  readonly #events: Events
  readonly #adder: Adder
  readonly #canceller: Canceller
  readonly #remover: Remover
  #made: AnyQueue | undefined
  #runs: Runs | undefined

  constructor (kind: string, settings: QueueSettings, shared: Shared) {
    const name = encodeName(kind)
    const queue = () => this.#queue
    const publish: Parts['publish'] = (event, jobId, failedReason) => this.#publish(event, jobId, failedReason)
    const { onSettled } = settings
    const announced = { get: (name: string, id: number) => this.get(name, id), publish: (event: string) => publish(event, '') }
    const announcements = onSettled === undefined ? undefined : new Announcements(name, onSettled, shared, announced)
    this.#parts = { kind, name, settings, shared, reader: new Reader(name, queue, shared), announcements, queue, publish }
    this.#events = new Events(name, shared, { publish, versionsOf: jobIds => shared.store.versionsOf(queue(), jobIds) })
    this.#remover = new Remover(this.#parts)
    this.#adder = new Adder(this.#parts, this.#remover)
    this.#canceller = new Canceller(this.#parts)
    shared.health.onBack(() => { this.#events.pollOnce() })
  }

  async add (tasks: readonly NewTask[]): Promise<Added[]> {
    return await this.#run(async answered => {
      // If no settled task is kept, only its event says how a task ended.
      if (this.#parts.settings.maxSettled === 0) await this.#events.listening()
      return await this.#adder.add(tasks, answered)
    })
  }

  async get (name: string, id?: number): Promise<StoredTask | undefined> {
    return await this.#run(async () => {
      const jobId = jobIdOf(name)
      const found = await this.#parts.reader.task(jobId) ?? await this.#parts.reader.afterGap(jobId)
      if (found !== undefined) this.#events.saw(jobId, found.task.id, found.task)
      // Whoever has watched the task to its end still learns how it ended.
      if (found !== undefined && this.#isExpired(found.task) && !(found.task.id === id && this.#events.isWatched(jobId))) return undefined
      if (id === undefined || found?.task.id === id) return found?.task
      const howItEnded = () => readBefore(found?.job.data.before).find(ended => ended.id === id) ?? this.#events.ended(jobId, id)
      // The event of a task that is gone may still be on its way.
      if (howItEnded() === undefined && this.#events.isWatched(jobId)) await this.#events.caughtUp()
      const ended = howItEnded()
      return ended === undefined ? undefined : { ...blank, ...ended, name, id }
    })
  }

  async list (statuses: ReadonlySet<TaskStatus>, offset: number, limit: number, name?: string): Promise<StoredTask[]> {
    const toTask = async (job: TaskJob, state: JobState) => {
      const task = await this.#parts.reader.toTask(job, state)
      return this.#isExpired(task) ? undefined : task
    }
    return await this.#run(async answered => {
      if (name === undefined) return await readPage(this.#queue, toTask, statuses, offset, limit, answered)
      return await readNamed(this.#queue, toTask, statuses, offset, limit, name, answered)
    })
  }

  async count (): Promise<TaskCounts> {
    return await this.#run(async () => {
      const states = ['active', 'completed', 'failed', 'waiting', 'paused' as 'waiting', 'prioritized', 'delayed'] as const // PostgreSQL counts what waits in a paused queue as paused
      const { active = 0, completed = 0, failed = 0, ...deferred } = await this.#queue.getJobCounts(...states)
      return { deferred: Object.values(deferred).reduce((sum, count) => sum + count, 0), running: active, completed, failed }
    })
  }

  async isIdle (): Promise<boolean> {
    const before = await this.#countUnended()
    if (before.tasks.active > 0 || before.announcements > 0) return false
    if (before.tasks.waiting === 0) return true
    // A task that was cancelled before it started stays in the queue until a worker takes it. One that starts meanwhile is in neither list.
    if ((await this.list(new Set(['deferred']), 0, 1)).length > 0) return false
    return isDeepStrictEqual(await this.#countUnended(), before)
  }

  async purge (): Promise<number> {
    return await this.#run(answered => this.#remover.removeAll(answered))
  }

  async drop (name: string, id: number): Promise<boolean> {
    return await this.#run(() => this.#remover.removeTask(name, id))
  }

  /** Under the lease of the name: if several calls retry a task, one of them does, and no other task can take its name meanwhile. */
  async retry (name: string, id?: number): Promise<{ task: StoredTask, retried: boolean } | undefined> {
    const { reader, shared } = this.#parts
    return await this.#run(async () => {
      const jobId = jobIdOf(name)
      const wanted = id ?? (await reader.task(jobId))?.task.id
      return await shared.leases.holding(reader.leaseOf(jobId), async lease => {
        const found = await reader.task(jobId)
        if (found === undefined) return undefined
        if (found.task.settledAt === undefined || found.task.id !== wanted) return { task: found.task, retried: false }
        await retryJob(found, () => reader.read(jobId), data => replaceData(this.#parts, found.job, data, lease))
        await shared.cancellations.forget(this.#parts.name, found.task)
        const retried = await reader.task(jobId)
        return retried === undefined ? undefined : { task: retried.task, retried: true }
      })
    })
  }

  async promote (name: string): Promise<StoredTask | undefined> {
    return await this.#run(async () => {
      const jobId = jobIdOf(name)
      const found = await this.#parts.reader.task(jobId)
      if (found === undefined || found.state !== 'delayed' || found.job.repeatJobKey !== undefined) return found?.task
      await found.job.promote().catch(() => {}) // it is not delayed any more
      return (await this.#parts.reader.task(jobId))?.task
    })
  }

  async history (): Promise<SettledCounts[]> {
    return await this.#run(() => readHistory(this.#queue, this.#parts.shared.store))
  }

  async latency (): Promise<number> {
    return await this.#run(() => readLatency(this.#queue))
  }

  async workers (): Promise<KindWorker[]> {
    return await this.#run(() => readWorkers(this.#queue))
  }

  async cancel (name: string, id: number | undefined, reason: StoredError): Promise<StoredTask | undefined> {
    return await this.#run(() => this.#canceller.cancel(name, id, reason))
  }

  async cancelFirst (name: string, id: number, reason: StoredError): Promise<Cancelled | undefined> {
    return await this.#run(() => this.#canceller.cancelFirst(name, id, reason))
  }

  async schedule (name: string, when: When, data: unknown, priority: number): Promise<void> {
    await this.#changeSchedule(name, () => setSchedule(this.#queue, name, when, data, this.#adder.jobOptions(priority)))
  }

  async unschedule (name: string): Promise<boolean> {
    const { name: queue, shared: { cancellations } } = this.#parts
    return await this.#changeSchedule(name, () => removeSchedule(this.#queue, name, run => cancellations.forget(queue, run)))
  }

  async schedules (): Promise<StoredSchedule[]> {
    return await this.#run(() => listSchedules(this.#queue))
  }

  async pause (): Promise<void> {
    await this.#run(() => this.#queue.pause())
  }

  async resume (): Promise<void> {
    await this.#run(() => this.#queue.resume())
  }

  async isPaused (): Promise<boolean> {
    return await this.#run(() => this.#queue.isPaused())
  }

  watch (name: string | undefined, changed: Changed): () => void {
    return this.#events.watch(name === undefined ? undefined : jobIdOf(name), changed)
  }

  async work (run: Run): Promise<void> {
    await this.#run(async () => {
      const { announcements, settings: { globalConcurrency } } = this.#parts
      if (globalConcurrency === Infinity) await this.#queue.removeGlobalConcurrency()
      else await this.#queue.setGlobalConcurrency(globalConcurrency)
      this.#runs = new Runs(this.#parts, run)
      await Promise.all([this.#runs.start(), announcements?.work()])
    })
  }

  async stop (drainTimeout: number, cancelTimeout: number): Promise<Stopped> {
    const announced = this.#parts.announcements?.stop(drainTimeout)
    const stopped = await this.#runs?.stop(drainTimeout, cancelTimeout)
    await announced
    return stopped ?? { handedOver: [], cancelled: [], left: [] }
  }

  async close (): Promise<void> {
    await Promise.allSettled([this.#events.close(), this.#parts.announcements?.close(), this.#made?.close()])
  }

  /** Counts the announcements last: a task has settled only after its announcement was stored. Also if this process has no `onSettled`. */
  async #countUnended () {
    const { name, shared } = this.#parts
    const [tasks, announcements] = await this.#run(() => shared.store.countUnended([name, announcementsOf(name)]))
    return { tasks: tasks!, announcements: announcements!.active + announcements!.waiting }
  }

  /** Whether a task was kept for longer than `maxSettledAge`. BullMQ drops it only when another one settles. */
  #isExpired ({ settledAt }: StoredTask): boolean {
    return settledAt !== undefined && settledAt <= Date.now() - this.#parts.settings.maxSettledAge
  }

  /** One change at a time: if two processes set a schedule at the same time, BullMQ on PostgreSQL makes one that stops after a while. */
  async #changeSchedule<T> (name: string, change: () => Promise<T>): Promise<T> {
    const { reader, shared } = this.#parts
    return await this.#run(() => shared.leases.holding(reader.leaseOf(`schedule:${encodeName(name)}`), change))
  }

  get #queue (): AnyQueue {
    return (this.#made ??= makeQueue(this.#parts.name, this.#parts.shared))
  }

  /** Does something on the server, as `HealthMonitor.run` does. */
  async #run<T> (operation: (answered: Answered) => Promise<T>): Promise<T> {
    return await this.#parts.shared.health.run(operation)
  }

  async #publish (event: string, jobId: string, failedReason?: string) {
    return await this.#queue.getBackend().publishEvent({ event, jobId, ...(failedReason !== undefined && { failedReason }) }, 10_000)
  }
}
