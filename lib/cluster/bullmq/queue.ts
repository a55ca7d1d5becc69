import { Queue, type JobState, type JobsOptions } from 'bullmq'
import type { KindWorker, SettledCounts, TaskCounts, When } from '../../../types/cluster.ts'
import type { TaskStatus } from '../../../types/index.ts'
import { keyLimitError } from '../../core/key-limits.ts'
import { taskLabel } from '../../core/task-label.ts'
import type { Added, Cancelled, NewTask, Queue as TaskQueue, QueueSettings, Run, StoredError, StoredSchedule, StoredTask, Stopped } from '../engine.ts'
import { Announcements } from './announcements.ts'
import { assertUnchanged, assertValid, LeaseExpired, type Lease } from './leases.ts'
import { Events } from './events.ts'
import { KeyLimits } from './key-limits.ts'
import { encodeName, isDigest, jobIdOf } from './ids.ts'
import { packBefore, readBefore, readJob, toReason, type JobData, type JobResult, type TaskJob } from './job.ts'
import { readHistory, readLatency, readWorkers } from './numbers.ts'
import { pack } from './packed.ts'
import { readNamed, readPage } from './pages.ts'
import { Reader, type Read } from './reader.ts'
import { retryJob } from './retry.ts'
import { Runs } from './runs.ts'
import { listSchedules, removeSchedule, setSchedule } from './schedules.ts'
import type { Shared } from './shared.ts'

const PRIORITY_LIMIT = 2 ** 21 - 1
/** Jobs that one command removes at most. */
const CLEANED_AT_ONCE = 200

/** The tasks of one kind, each a job. */
export class BullQueue implements TaskQueue {
  readonly #name: string
  readonly #settings: QueueSettings
  readonly #shared: Shared
  readonly #events: Events
  readonly #reader: Reader
  readonly #keyLimits: KeyLimits
  readonly #announcements: Announcements | undefined
  #made: Queue<JobData, JobResult, string, JobData, JobResult, string, any> | undefined
  #runs: Runs | undefined

  constructor (kind: string, settings: QueueSettings, shared: Shared) {
    this.#name = encodeName(kind)
    this.#settings = settings
    this.#shared = shared
    this.#events = new Events(this.#name, shared, {
      publish: (event, jobId) => this.#publish(event, jobId),
      versionsOf: jobIds => shared.store.versionsOf(this.#queue, jobIds)
    })
    this.#reader = new Reader(this.#name, () => this.#queue, shared)
    this.#keyLimits = new KeyLimits(this.#name, shared.records, shared.leases, async ({ jobId, id }) => {
      const found = await this.#reader.task(jobId)
      return found?.task.id === id && found.task.retries === 0 && found.task.settledAt === undefined
    })
    const { onSettled } = settings
    if (onSettled !== undefined) this.#announcements = new Announcements(this.#name, onSettled, shared, (name, id) => this.get(name, id))
    shared.health.onBack(() => this.#events.changed())
  }

  async add (tasks: readonly NewTask[]): Promise<Added[]> {
    return await this.#shared.health.run(async () => {
      // If no settled task is kept, only its event says how a task ended.
      if (this.#settings.maxSettled === 0) await this.#events.listening()
      if (tasks.length === 0) return []
      const [{ limit, unique: isUnique }] = tasks as [NewTask]
      if (limit !== undefined && isUnique) return await this.#limited(tasks[0]!, () => this.#addUnique(tasks))
      if (tasks.every(task => task.unique)) return await this.#addUnique(tasks)
      const [unique, named] = await Promise.all([
        this.#addUnique(tasks.filter(task => task.unique)),
        Promise.all(tasks.filter(task => !task.unique).map(task => this.#addNamed(task)))
      ])
      return tasks.map(task => (task.unique ? unique : named).shift()!)
    })
  }

  async get (name: string, id?: number): Promise<StoredTask | undefined> {
    return await this.#shared.health.run(async () => {
      const jobId = jobIdOf(name)
      const found = await this.#reader.task(jobId) ?? await this.#reader.afterGap(jobId)
      if (found !== undefined) this.#events.saw(jobId, found.task.id, found.task)
      if (found !== undefined && this.#isExpired(found.task)) return undefined
      if (id === undefined || found?.task.id === id) return found?.task
      const howItEnded = () => readBefore(found?.job.data.before).find(ended => ended.id === id) ?? this.#events.ended(jobId, id)
      // The event of a task that is gone may still be on its way.
      if (howItEnded() === undefined && this.#events.isWatched(jobId)) await this.#events.caughtUp()
      const ended = howItEnded()
      return ended === undefined ? undefined : { ...blank, ...ended, name, id }
    })
  }

  async list (statuses: ReadonlySet<TaskStatus>, offset: number, limit: number, name?: string): Promise<StoredTask[]> {
    const tasks = await this.#shared.health.run(() => this.#list(statuses, offset, limit, name))
    return tasks.filter(task => !this.#isExpired(task))
  }

  async count (): Promise<TaskCounts> {
    return await this.#shared.health.run(async () => {
      const states = ['active', 'completed', 'failed', 'waiting', 'paused' as 'waiting', 'prioritized', 'delayed'] as const // PostgreSQL counts what waits in a paused queue as paused
      const { active = 0, completed = 0, failed = 0, ...deferred } = await this.#queue.getJobCounts(...states)
      return { deferred: Object.values(deferred).reduce((sum, count) => sum + count, 0), running: active, completed, failed }
    })
  }

  async isIdle (): Promise<boolean> {
    const before = await this.count()
    if (before.running > 0) return false
    if (before.deferred === 0) return true
    // A task that was cancelled before it started stays in the queue until a worker takes it. One that starts meanwhile is in neither list.
    if ((await this.list(new Set(['deferred']), 0, 1)).length > 0) return false
    const after = await this.count()
    return after.running === 0 && after.deferred === before.deferred
  }

  async purge (): Promise<number> {
    return await this.#shared.health.run(async () => {
      const dropped = await Promise.all([this.#clean('completed'), this.#clean('failed')])
      const cancelled = await this.#takeOutCancelled()
      const ended = await this.#clean('failed') // those that a worker was ending as cancelled meanwhile
      return dropped[0] + dropped[1] + cancelled + ended
    })
  }

  async drop (name: string, id: number): Promise<boolean> {
    return await this.#shared.health.run(() => this.#takeOut(name, id))
  }

  /** Under the lease of the name: of many that retry a task one does, and no other task can take its name meanwhile. */
  async retry (name: string, id?: number): Promise<{ task: StoredTask, retried: boolean } | undefined> {
    return await this.#shared.health.run(async () => {
      const jobId = jobIdOf(name)
      const wanted = id ?? (await this.#reader.task(jobId))?.task.id
      return await this.#shared.leases.holding(this.#reader.leaseOf(jobId), async lease => {
        const found = await this.#reader.task(jobId)
        if (found === undefined) return { value: undefined }
        if (found.task.settledAt === undefined || found.task.id !== wanted) return { value: { task: found.task, retried: false } }
        await retryJob(found, () => this.#reader.read(jobId), data => this.#replaceData(found.job, data, lease))
        await this.#shared.cancellations.forget(this.#name, found.task)
        const retried = await this.#reader.task(jobId)
        return { value: retried === undefined ? undefined : { task: retried.task, retried: true } }
      }, async () => undefined)
    }).then(({ value }) => value)
  }

  async promote (name: string): Promise<StoredTask | undefined> {
    return await this.#shared.health.run(async () => {
      const jobId = jobIdOf(name)
      const found = await this.#reader.task(jobId)
      if (found === undefined || found.state !== 'delayed' || found.job.repeatJobKey !== undefined) return found?.task
      await found.job.promote().catch(stay)
      return (await this.#reader.task(jobId))?.task
    })
  }

  async history (): Promise<SettledCounts[]> {
    return await this.#shared.health.run(() => readHistory(this.#queue, this.#shared.store))
  }

  async latency (): Promise<number> {
    return await this.#shared.health.run(() => readLatency(this.#queue))
  }

  async workers (): Promise<KindWorker[]> {
    return await this.#shared.health.run(() => readWorkers(this.#queue))
  }

  async cancel (name: string, id: number | undefined, reason: StoredError): Promise<StoredTask | undefined> {
    const mark = async (task: StoredTask, state: JobState | 'unknown') => ({ task: await this.#mark(task, state, reason), isFirst: false })
    return (await this.#cancel(name, id, reason, mark))?.task
  }

  async cancelFirst (name: string, id: number, reason: StoredError): Promise<Cancelled | undefined> {
    return await this.#cancel(name, id, reason, async (task, state) => {
      const isFirst = await this.#markFirst(task, state, reason)
      return { task: await this.#mark(task, state, reason), isFirst }
    })
  }

  /** Cancels a task; one that runs, or belongs to a schedule, by its mark. */
  async #cancel (
    name: string, id: number | undefined, reason: StoredError, mark: (task: StoredTask, state: JobState | 'unknown') => Promise<Cancelled>
  ): Promise<Cancelled | undefined> {
    return await this.#shared.health.run(async () => {
      const jobId = jobIdOf(name)
      for (;;) {
        const read = await this.#reader.read(jobId) ?? await this.#reader.afterGap(jobId)
        if (read === undefined) return undefined
        const { job, state } = read
        // A running task may have a mark already. It does not matter: the first mark stays.
        const task = state === 'active' ? readJob(job, state) : await this.#reader.toTask(job, state)
        if (id !== undefined && task.id !== id) return undefined
        if (task.settledAt !== undefined) return { task, isFirst: false }
        if (state === 'active' || job.repeatJobKey !== undefined) return await mark(task, state)
        const cancelled = await this.#cancelDeferred(jobId, task.id, reason)
        if (cancelled !== undefined) return { task: cancelled, isFirst: true }
      }
    })
  }

  async schedule (name: string, when: When, data: unknown, priority: number): Promise<void> {
    await this.#shared.health.run(() => setSchedule(this.#queue, name, when, data, { ...this.#jobOptions, ...this.#priority(priority) }))
  }

  async unschedule (name: string): Promise<boolean> {
    return await this.#shared.health.run(() => removeSchedule(this.#queue, name))
  }

  async schedules (): Promise<StoredSchedule[]> {
    return await this.#shared.health.run(() => listSchedules(this.#queue))
  }

  async pause (): Promise<void> {
    await this.#shared.health.run(() => this.#queue.pause())
  }

  async resume (): Promise<void> {
    await this.#shared.health.run(() => this.#queue.resume())
  }

  async isPaused (): Promise<boolean> {
    return await this.#shared.health.run(() => this.#queue.isPaused())
  }

  watch (name: string | undefined, changed: () => void | Promise<void>): () => void {
    return this.#events.watch(name === undefined ? undefined : jobIdOf(name), changed)
  }

  async work (run: Run): Promise<void> {
    await this.#shared.health.run(async () => {
      const { globalConcurrency } = this.#settings
      if (globalConcurrency === Infinity) await this.#queue.removeGlobalConcurrency()
      else await this.#queue.setGlobalConcurrency(globalConcurrency)
      this.#runs = new Runs(this.#name, this.#settings, this.#shared, run, this.#announcements)
      await Promise.all([this.#runs.start(), this.#announcements?.work()])
    })
  }

  async stop (drainTimeout: number, cancelTimeout: number): Promise<Stopped> {
    const announced = this.#announcements?.stop(drainTimeout)
    const stopped = await this.#runs?.stop(drainTimeout, cancelTimeout)
    await announced
    return stopped ?? { handedOver: [], cancelled: [], left: [] }
  }

  async close (): Promise<void> {
    await Promise.allSettled([this.#events.close(), this.#announcements?.close(), this.#made?.close()])
  }

  async #addUnique (tasks: readonly NewTask[]): Promise<Added[]> {
    if (tasks.length === 0) return []
    const times = await this.#store(tasks)
    return tasks.map((task, i) => ({ task: this.#asAdded(task, times[i]!), added: true }))
  }

  /** Adds a task with a name that another task may have. */
  async #addNamed (task: NewTask): Promise<Added> {
    const jobId = jobIdOf(task.name)
    // If the lease expired before the answer came, the task may be stored already, or have settled.
    const asStored = (found: { job: TaskJob, task: StoredTask }): Added | undefined => {
      const stored = found.task.id === task.id ? found.task : readBefore(found.job.data.before).find(({ id }) => id === task.id)
      return stored === undefined ? undefined : { task: { ...blank, ...stored, name: task.name, data: task.data }, added: true }
    }
    const peek = async () => {
      const found = await this.#reader.task(jobId)
      if (found === undefined) return undefined
      return asStored(found) ?? (found.task.settledAt === undefined ? { task: found.task, added: false } : undefined)
    }
    return await this.#shared.leases.holding(this.#reader.leaseOf(jobId), async lease => {
      const found = await this.#reader.task(jobId)
      if (found !== undefined) {
        const stored = asStored(found)
        if (stored !== undefined) return stored
        if (found.task.settledAt === undefined) return { task: found.task, added: false }
      }
      if (task.limit === undefined) return await this.#replace(task, found, lease)
      // What expires may be the lease of the name, not that of the limit.
      const added = await this.#limited(task, () => this.#replace(task, found, lease).catch(error => error))
      if (added instanceof Error) throw added
      return added
    }, peek)
  }

  /** Adds a task in the place of a settled one, if there is one. The caller holds the lease of the name. */
  async #replace (task: NewTask, found: (Read & { task: StoredTask }) | undefined, lease: Lease): Promise<Added> {
    if (found !== undefined && !await this.#remove(found, lease)) {
      if (found.job.repeatJobKey !== undefined) return { task: found.task, added: false } // the next run of a schedule keeps its name
      // A worker has the job for a moment, to end it as cancelled: the name is free, so this tries again.
      throw new LeaseExpired()
    }
    const before = found === undefined ? undefined : packBefore(found.task, found.job.data.before)
    assertValid(lease)
    const [createdAt] = await this.#store([task], before) as [number]
    assertValid(lease)
    return { task: this.#asAdded(task, createdAt), added: true }
  }

  /** Adds a task if its limit allows that. */
  async #limited<T> ({ name, id, unique, limit }: NewTask, add: () => Promise<T>): Promise<T> {
    const refused = () => keyLimitError(taskLabel({ name: unique ? undefined : name }), limit!.max)
    return await this.#keyLimits.admit(limit!, { jobId: jobIdOf(name), id }, add, refused)
  }

  /**
   * Marks a waiting task as cancelled, so that the worker that takes it does not run it, and moves it to the front. Returns undefined
   * if a worker took it before: then it is cancelled as a running one.
   */
  async #cancelDeferred (jobId: string, id: number, reason: StoredError): Promise<StoredTask | undefined> {
    return await this.#shared.leases.holding(this.#reader.leaseOf(jobId), async lease => {
      const found = await this.#reader.task(jobId)
      if (found?.task.id !== id || found.task.status !== 'deferred') return undefined
      const { job, task: { attempt, startedAt, worker } } = found
      const cancelled = { error: pack(reason), at: Date.now(), attempt, startedAt, worker, starts: job.attemptsStarted }
      const mark = (settled: boolean) => this.#replaceData(job, { ...job.data, cancelled: { ...cancelled, settled } }, lease)
      await mark(false)
      const state = (await this.#reader.read(jobId))?.state
      if (state !== 'waiting' && state !== 'prioritized' && state !== 'delayed') return undefined
      await this.#announcements?.add(cancelledNow(found.task, reason))
      await mark(true)
      await this.#publish('cancelled', jobId, toReason({ status: 'cancelled', id, at: cancelled.at, ...reason }))
      await moveToFront(job)
      return readJob(job, 'waiting')
    }, async () => undefined)
  }

  /** Stores the mark of a cancellation, for a process that takes the task over, and notifies the one that runs it. */
  async #mark (task: StoredTask, state: JobState | 'unknown', reason: StoredError): Promise<StoredTask> {
    const { cancellations } = this.#shared
    const marked = this.#storeMark(task, state, reason)
    if (state === 'active') {
      await Promise.all([marked, cancellations.notify(this.#name, task, reason), marked.then(() => this.#publish('cancelling', jobIdOf(task.name)))])
      return { ...task, status: 'cancelling' }
    }
    await marked
    return cancelledNow(task, reason)
  }

  /** Stores the mark of a cancellation. A task that waits has settled with it, so that is announced first. */
  async #storeMark (task: StoredTask, state: JobState | 'unknown', reason: StoredError): Promise<void> {
    if (state !== 'active') await this.#announcements?.add(cancelledNow(task, reason))
    await this.#shared.cancellations.mark(this.#name, task, reason, state !== 'active')
  }

  /** Stores the mark of a cancellation, unless there is one or the task has settled. Returns whether it did. */
  async #markFirst (task: StoredTask, state: JobState | 'unknown', reason: StoredError): Promise<boolean> {
    const jobId = jobIdOf(task.name)
    const { value } = await this.#shared.leases.holding(this.#reader.leaseOf(jobId), async lease => {
      const mark = await this.#shared.cancellations.markOf(this.#name, task)
      const found = await this.#reader.read(jobId) // after the mark, which is removed once the task has settled
      const present = found === undefined ? undefined : readJob(found.job, found.state)
      if (mark !== undefined || present?.id !== task.id || present.settledAt !== undefined) return { value: false }
      assertValid(lease)
      await this.#storeMark(task, state, reason)
      return { value: true }
    }, async () => undefined)
    return value
  }

  /** Removes all jobs that have ended so, a batch at a time: one command for all would block the server. Returns how many. */
  async #clean (state: 'completed' | 'failed'): Promise<number> {
    const future = -86_400_000 // the clocks of others may be ahead
    for (let count = 0; ;) {
      const removed = await this.#queue.clean(future, CLEANED_AT_ONCE, state)
      count += removed.length
      if (removed.length < CLEANED_AT_ONCE) return count
    }
  }

  /** Removes the tasks that were cancelled before they started and still wait for a worker. Returns how many. */
  async #takeOutCancelled (): Promise<number> {
    for (let count = 0; ;) {
      const page = await this.#list(new Set(['cancelled']), 0, CLEANED_AT_ONCE)
      const taken = await Promise.all(page.map(({ name, id }) => this.#takeOut(name, id)))
      const removed = taken.filter(Boolean).length
      if (removed === 0) return count
      count += removed
    }
  }

  /** Removes a task that has settled; returns whether it did. */
  async #takeOut (name: string, id: number): Promise<boolean> {
    const jobId = jobIdOf(name)
    return await this.#shared.leases.holding(this.#reader.leaseOf(jobId), async lease => {
      const found = await this.#reader.task(jobId)
      return found?.task.id === id && found.task.settledAt !== undefined && await this.#remove(found, lease)
    }, async () => undefined)
  }

  /** Removes a settled job, unless it runs, is another's by now, or is the next one of a schedule. The caller holds the lease of its name. */
  async #remove ({ job }: Read, lease: Lease): Promise<boolean> {
    if (job.repeatJobKey !== undefined && job.finishedOn === undefined) return false
    assertValid(lease)
    return await this.#shared.store.removeJob(this.#queue, job)
  }

  /** Replaces the data of a job. Throws `LeaseExpired` if it is another's by now. */
  async #replaceData (job: TaskJob, data: JobData, lease: Lease): Promise<void> {
    assertValid(lease)
    assertUnchanged(await this.#shared.store.replaceData(this.#queue, job, data))
    job.data = data
  }

  /** Whether a task has been kept for long enough: BullMQ drops it when another one settles. */
  #isExpired ({ settledAt }: StoredTask): boolean {
    return settledAt !== undefined && settledAt <= Date.now() - this.#settings.maxSettledAge
  }

  async #list (statuses: ReadonlySet<TaskStatus>, offset: number, limit: number, name?: string): Promise<StoredTask[]> {
    const toTask = (job: TaskJob, state: JobState) => this.#reader.toTask(job, state)
    if (name === undefined) return await readPage(this.#queue, toTask, statuses, offset, limit)
    return await readNamed(this.#queue, toTask, statuses, offset, limit, name)
  }

  /** Stores tasks. Returns when each was added. */
  async #store (tasks: readonly NewTask[], before?: JobData['before']): Promise<number[]> {
    const jobs = tasks.map(task => this.#toJob(task, before))
    const [{ name, data, opts }] = jobs as [typeof jobs[0]]
    const added = jobs.length === 1 ? [await this.#queue.add(name, data, opts)] : await this.#queue.addBulk(jobs)
    return added.map(job => job.timestamp)
  }

  #toJob ({ name, id, data, delay, priority }: NewTask, before: JobData['before']) {
    const jobId = jobIdOf(name)
    return {
      name: this.#name,
      data: { id, ...(isDigest(jobId) && { name }), ...pack(data), ...(before !== undefined && { before }) } as JobData,
      opts: { ...this.#jobOptions, ...this.#priority(priority), jobId, ...(delay > 0 && { delay }) }
    }
  }

  /** A task that was just added. */
  #asAdded ({ name, id, data, delay }: NewTask, createdAt: number): StoredTask {
    return { ...blank, name, id, data, createdAt, maxAttempts: this.#settings.attempts, startsAt: delay > 0 ? createdAt + delay : undefined }
  }

  /** Made when it is first needed: then the server has the tables that it looks for. */
  get #queue () {
    if (this.#made === undefined) {
      const { store, options, health } = this.#shared
      this.#made = new Queue(this.#name, { ...store.optionsOf(this.#name), ...options }, store.backend)
      this.#made.on('error', error => health.report(error))
    }
    return this.#made
  }

  get #jobOptions (): JobsOptions {
    const { attempts, backoff } = this.#settings
    if (attempts === 1) return {}
    return { attempts, ...(backoff.delay > 0 && { backoff }) }
  }

  #priority (given: number): { priority?: number } {
    const priority = Math.min(given + this.#shared.store.firstPriority, PRIORITY_LIMIT)
    return priority > 0 ? { priority } : {}
  }

  async #publish (event: string, jobId: string, failedReason?: string) {
    return await this.#queue.getBackend().publishEvent({ event, jobId, ...(failedReason !== undefined && { failedReason }) }, 10_000)
  }
}

/** The job is not delayed any more, or has started: it stays where it is. */
function stay () {}

/** A task that waits, as it is once it is cancelled. */
function cancelledNow (task: StoredTask, reason: StoredError): StoredTask {
  return { ...task, status: 'cancelled', error: reason, startsAt: undefined, settledAt: Date.now() }
}

/** Moves a job that waits to the front of the queue. Does nothing to a job that has started. */
async function moveToFront (job: TaskJob) {
  await job.promote().catch(stay)
  await job.changePriority({ priority: 0, lifo: true }).catch(stay)
}

const blank: StoredTask = {
  name: '',
  id: 0,
  retries: 0,
  status: 'deferred',
  data: undefined,
  progress: undefined,
  result: undefined,
  error: undefined,
  attempt: 0,
  maxAttempts: 1,
  attempts: [],
  createdAt: 0,
  startsAt: undefined,
  startedAt: undefined,
  settledAt: undefined,
  worker: undefined
}
