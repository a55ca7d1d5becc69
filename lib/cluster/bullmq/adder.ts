import type { JobsOptions } from 'bullmq'
import { keyLimitError } from '../../core/key-limits.ts'
import { taskLabel } from '../../core/task-label.ts'
import type { Added, NewTask, StoredTask } from '../engine.ts'
import type { Answered } from './health-monitor.ts'
import { isDigest, jobIdOf } from './ids.ts'
import { blank, packBefore, readBefore, type JobData, type TaskJob } from './job.ts'
import { KeyLimits } from './key-limits.ts'
import { assertUnchanged, assertValid, LeaseExpired, type Lease } from './leases.ts'
import { pack } from './packed.ts'
import type { Parts } from './parts.ts'
import type { Read } from './reader.ts'
import type { Remover } from './remover.ts'

const PRIORITY_LIMIT = 2 ** 21 - 1

/** Tasks without a name that are added in one round trip. */
const ADDED_AT_ONCE = 100
/** Named tasks that are added at the same time, each in some round trips: the time of a lease runs while a connection is waited for. */
const NAMED_AT_ONCE = 20

/** Adds tasks to a queue. A task with a name is added under the lease of the name, one with a limit under the lease of the key. */
export class Adder {
  readonly #parts: Parts
  readonly #remover: Remover
  readonly #keyLimits: KeyLimits

  constructor (parts: Parts, remover: Remover) {
    const { name, shared, reader } = parts
    this.#parts = parts
    this.#remover = remover
    this.#keyLimits = new KeyLimits(name, shared, async ({ jobId, id }) => {
      const found = await reader.task(jobId)
      return found?.task.id === id && found.task.retries === 0 && found.task.settledAt === undefined
    })
  }

  async add (tasks: readonly NewTask[], answered: Answered): Promise<Added[]> {
    const added: Added[] = []
    for (let i = 0; i < tasks.length; i += ADDED_AT_ONCE) {
      added.push(...await this.#addAtOnce(tasks.slice(i, i + ADDED_AT_ONCE), answered))
      answered()
    }
    return added
  }

  async #addAtOnce (tasks: readonly NewTask[], answered: Answered): Promise<Added[]> {
    const [{ limit, unique: isUnique }] = tasks as [NewTask]
    if (limit !== undefined && isUnique) return await this.#limited(tasks[0]!, () => this.#addUnique(tasks))
    if (tasks.every(task => task.unique)) return await this.#addUnique(tasks)
    const [unique, named] = await Promise.all([
      this.#addUnique(tasks.filter(task => task.unique)),
      this.#addAllNamed(tasks.filter(task => !task.unique), answered)
    ])
    return tasks.map(task => (task.unique ? unique : named).shift()!)
  }

  /** The options of a job with this priority. */
  jobOptions (priority: number): JobsOptions {
    const { settings: { attempts, backoff }, shared: { store } } = this.#parts
    const stored = Math.min(priority + store.firstPriority, PRIORITY_LIMIT)
    return {
      ...attempts > 1 && { attempts, ...backoff.delay > 0 && { backoff } },
      ...stored > 0 && { priority: stored }
    }
  }

  async #addUnique (tasks: readonly NewTask[]): Promise<Added[]> {
    if (tasks.length === 0) return []
    const times = await this.#store(tasks)
    return tasks.map((task, i) => ({ task: this.#asAdded(task, times[i]!), added: true }))
  }

  async #addAllNamed (tasks: readonly NewTask[], answered: Answered): Promise<Added[]> {
    const added: Added[] = []
    for (let i = 0; i < tasks.length; i += NAMED_AT_ONCE) {
      added.push(...await Promise.all(tasks.slice(i, i + NAMED_AT_ONCE).map(task => this.#addNamed(task).finally(answered))))
    }
    return added
  }

  /** Adds a task with a name that another task may have. */
  async #addNamed (task: NewTask): Promise<Added> {
    const jobId = jobIdOf(task.name)
    // If the lease expired before the answer came, the task may be stored already, or have settled.
    const answerOf = (found: { job: TaskJob, task: StoredTask } | undefined): Added | undefined => {
      if (found === undefined) return undefined
      const stored = found.task.id === task.id ? found.task : readBefore(found.job.data.before).find(({ id }) => id === task.id)
      if (stored !== undefined) return { task: { ...blank, ...stored, name: task.name, data: task.data }, added: true }
      return found.task.settledAt === undefined ? { task: found.task, added: false } : undefined
    }
    // Read beside the lease. If it is out of date by then, the server refuses what follows from it, and this reads again. A limit is
    // decided before that.
    let early = task.limit === undefined ? this.#parts.reader.task(jobId) : undefined
    early?.catch(() => {})
    const peek = async () => {
      early = undefined
      return answerOf(await this.#parts.reader.task(jobId))
    }
    return await this.#parts.shared.leases.holding(this.#parts.reader.leaseOf(jobId), async lease => {
      const found = await (early ?? this.#parts.reader.task(jobId))
      const answer = answerOf(found)
      if (answer !== undefined) return answer
      if (task.limit === undefined) return await this.#replace(task, found, lease)
      // Passed on as a value: `#limited` would take an expired lease of the name for its own.
      const added = await this.#limited(task, () => this.#replace(task, found, lease).catch(error => error))
      if (added instanceof Error) throw added
      return added
    }, peek)
  }

  /** Adds a task in the place of a settled one, if there is one. The caller holds the lease of the name. */
  async #replace (task: NewTask, found: (Read & { task: StoredTask }) | undefined, lease: Lease): Promise<Added> {
    if (found !== undefined && !await this.#remover.removeJob(found, lease)) {
      if (found.job.repeatJobKey !== undefined) return { task: found.task, added: false } // the next run of a schedule keeps its name
      // A worker has the job for a moment, to end it as cancelled: the name is free, so this tries again.
      throw new LeaseExpired()
    }
    const before = found === undefined ? undefined : packBefore(found.task, found.job.data.before)
    assertValid(lease)
    const [createdAt] = await this.#store([task], before) as [number]
    // BullMQ adds nothing if there is a job of that name, and does not say so. The add of a process that has lost the lease may arrive late.
    // A job that is gone again was most likely this one.
    const job = await this.#parts.queue().getJob(jobIdOf(task.name)) as TaskJob | undefined
    assertUnchanged(job === undefined || job.data.id === task.id)
    assertValid(lease)
    return { task: this.#asAdded(task, createdAt), added: true }
  }

  /** Adds a task if its limit allows that. */
  async #limited<T> ({ name, id, unique, limit }: NewTask, add: () => Promise<T>): Promise<T> {
    const refused = () => keyLimitError(taskLabel({ name: unique ? undefined : name }), limit!.max)
    return await this.#keyLimits.admit(limit!, { jobId: jobIdOf(name), id }, add, refused)
  }

  /** Stores tasks. Returns when each was added. */
  async #store (tasks: readonly NewTask[], before?: JobData['before']): Promise<number[]> {
    const jobs = tasks.map(task => this.#toJob(task, before))
    const [{ name, data, opts }] = jobs as [typeof jobs[0]]
    const added = jobs.length === 1 ? [await this.#parts.queue().add(name, data, opts)] : await this.#parts.queue().addBulk(jobs)
    return added.map(job => job.timestamp)
  }

  #toJob ({ name, id, data, delay, priority }: NewTask, before: JobData['before']) {
    const jobId = jobIdOf(name)
    return {
      name: this.#parts.name,
      data: { id, ...(isDigest(jobId) && { name }), ...pack(data), ...(before !== undefined && { before }) } as JobData,
      opts: { ...this.jobOptions(priority), jobId, ...(delay > 0 && { delay }) }
    }
  }

  /** A task that was just added. */
  #asAdded ({ name, id, data, delay }: NewTask, createdAt: number): StoredTask {
    const dueAt = createdAt + delay
    return { ...blank, name, id, data, createdAt, maxAttempts: this.#parts.settings.attempts, startsAt: delay > 0 ? dueAt : undefined, dueAt }
  }
}
