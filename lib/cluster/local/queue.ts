import PQueue from 'p-queue'
import pRetry, { AbortError } from 'p-retry'
import type { TaskCounts, When } from '../../../types/cluster.ts'
import type { TaskStatus } from '../../../types/index.ts'
import { settlesWithin } from '../../core/within.ts'
import type { Added, NewTask, Outcome, Queue, QueueSettings, Run, StoredError, StoredSchedule, StoredTask } from '../engine.ts'
import { backoffDelay } from './backoff.ts'
import { FormerTasks } from './former-tasks.ts'
import { Schedules } from './schedules.ts'
import { TaskLists } from './task-lists.ts'
import { LocalTask } from './task.ts'
import { until } from './until.ts'
import { Watchers } from './watchers.ts'

/** What p-retry is told of a run that has not completed. */
class RunFailed extends Error {
  readonly outcome: Outcome

  constructor (outcome: Outcome) {
    super(outcome.status)
    this.outcome = outcome
  }
}

const closing = { name: 'AbortError', message: 'Cancelled: the app is closing', code: 'ABORT_ERR' }

/** The tasks of one kind, in this process: p-queue decides when one may start, p-retry whether it runs again. */
export class LocalQueue implements Queue {
  readonly #settings: QueueSettings
  readonly #slots: PQueue
  readonly #tasks = new Map<string, LocalTask>()
  readonly #lists = new TaskLists()
  readonly #former = new FormerTasks()
  readonly #schedules = new Schedules({
    add: task => this.#add(task),
    withdraw: task => this.#drop(task)
  })

  readonly #watchers = new Watchers()
  #run: Run | undefined
  #paused = false
  #stopped = false

  constructor (settings: QueueSettings) {
    this.#settings = settings
    const { concurrency, globalConcurrency, limit } = settings
    this.#slots = new PQueue({
      autoStart: false,
      concurrency: Math.min(concurrency, globalConcurrency),
      ...limit !== undefined && { intervalCap: limit.max, interval: limit.duration, strict: true }
    })
  }

  async add (tasks: readonly NewTask[]): Promise<Added[]> {
    return tasks.map(newTask => {
      const task = this.#add(newTask)
      return { task: (task ?? this.#tasks.get(newTask.name)!).snapshot(), added: task !== undefined }
    })
  }

  async get (name: string, id?: number): Promise<StoredTask | undefined> {
    const task = this.#tasks.get(name)
    return (id === undefined || task?.id === id ? task : this.#former.get(name, id))?.snapshot()
  }

  async list (statuses: ReadonlySet<TaskStatus>, offset: number, limit: number): Promise<StoredTask[]> {
    const page: StoredTask[] = []
    let left = offset
    for (const task of this.#lists) {
      if (page.length >= limit) break
      if (statuses.has(task.status) && left-- <= 0) page.push(task.snapshot())
    }
    return page
  }

  async count (): Promise<TaskCounts> {
    return this.#lists.counts
  }

  async isIdle (): Promise<boolean> {
    const { deferred, running } = this.#lists.counts
    return deferred + running === 0
  }

  async purge (): Promise<number> {
    const settled = [...this.#lists.failed, ...this.#lists.completed]
    for (const task of settled) this.#drop(task)
    return settled.length
  }

  async cancel (name: string, id: number | undefined, reason: StoredError): Promise<StoredTask | undefined> {
    const task = this.#tasks.get(name)
    if (task === undefined || task.id !== (id ?? task.id)) return undefined
    if (task.status === 'deferred') {
      this.#settle(task, { status: 'cancelled', error: reason })
      this.#schedules.passed(task)
    } else if (task.status === 'running') {
      task.cancel(reason)
      this.#watchers.tell(task.name)
    }
    return task.snapshot()
  }

  async schedule (name: string, when: When, data: unknown, priority: number): Promise<void> {
    this.#schedules.set(name, when, data, priority)
  }

  async unschedule (name: string): Promise<boolean> {
    return this.#schedules.delete(name)
  }

  async schedules (): Promise<StoredSchedule[]> {
    return this.#schedules.toArray()
  }

  async pause (): Promise<void> {
    this.#paused = true
    this.#slots.pause()
  }

  async resume (): Promise<void> {
    this.#paused = false
    if (this.#run !== undefined) this.#slots.start()
  }

  async isPaused (): Promise<boolean> {
    return this.#paused
  }

  watch (name: string | undefined, changed: () => void): () => void {
    return this.#watchers.add(name, changed)
  }

  async work (run: Run): Promise<void> {
    this.#run = run
    if (!this.#paused) this.#slots.start()
  }

  async stop (drainTimeout: number, cancelTimeout: number): Promise<StoredTask[]> {
    this.#stopped = true
    this.#slots.pause()
    this.#schedules.clear()
    const { waiting, delayed, running } = this.#lists
    for (const task of [...waiting, ...delayed]) this.#settle(task, { status: 'cancelled', error: closing })
    const allEnded = Promise.all(Array.from(running, task => task.ended))
    if (!await settlesWithin(allEnded, drainTimeout)) {
      for (const task of running) task.running!.abort(closing)
      await settlesWithin(allEnded, cancelTimeout)
    }
    for (const task of running) task.running!.abandon()
    return Array.from(running, task => task.snapshot())
  }

  /** Adds a task, unless an unsettled one has its name. */
  #add (newTask: NewTask): LocalTask | undefined {
    const holder = this.#tasks.get(newTask.name)
    if (holder?.settled === false) return undefined
    if (holder !== undefined) this.#makeRoom(holder)
    const task = new LocalTask(newTask)
    this.#tasks.set(task.name, task)
    this.#lists.move(task, task.startsAt === undefined ? this.#lists.waiting : this.#lists.delayed)
    this.#watchers.tell(task.name)
    task.ended = this.#live(task)
    return task
  }

  /** From its being added to its end. */
  async #live (task: LocalTask): Promise<void> {
    await undefined // whoever adds it sees it deferred, as on a server
    const { signal } = task.withdrawn
    try {
      const result = await pRetry(attempt => this.#attempt(task, attempt), {
        retries: this.#settings.attempts - 1,
        minTimeout: 0,
        signal,
        onFailedAttempt: ({ error, attemptNumber, retriesLeft }) => {
          if (signal.aborted || task.cancellation !== undefined || this.#stopped) throw error
          if (retriesLeft > 0) this.#defer(task, backoffDelay(this.#settings.backoff, attemptNumber))
        }
      })
      this.#settle(task, { status: 'completed', result })
    } catch (error) {
      if (!signal.aborted) this.#settle(task, (error as RunFailed).outcome)
    }
  }

  async #attempt (task: LocalTask, attempt: number): Promise<unknown> {
    const { signal } = task.withdrawn
    if (task.startsAt !== undefined) {
      await until(task.startsAt, signal)
      this.#lists.move(task, this.#lists.waiting, () => { task.startsAt = undefined })
    }
    return this.#slots.add(() => this.#runOnce(task, attempt), { priority: -task.priority, signal })
  }

  async #runOnce (task: LocalTask, attempt: number): Promise<unknown> {
    this.#lists.move(task, this.#lists.running, () => task.start(attempt))
    this.#schedules.passed(task)
    task.running = this.#run!(task.snapshot(), () => this.#watchers.tell(task.name))
    this.#watchers.tell(task.name)
    const outcome = await task.running.outcome
    if (outcome.status === 'completed') return outcome.result
    const failure = new RunFailed(outcome)
    throw outcome.status === 'failed' && !outcome.final ? failure : new AbortError(failure)
  }

  /** It is to be run again, some time. */
  #defer (task: LocalTask, delay: number) {
    const list = delay > 0 ? this.#lists.delayed : this.#lists.waiting
    this.#lists.move(task, list, () => task.defer(delay))
    this.#watchers.tell(task.name)
  }

  #settle (task: LocalTask, outcome: Outcome) {
    const list = outcome.status === 'completed' ? this.#lists.completed : this.#lists.failed
    this.#lists.move(task, list, () => task.settle(outcome))
    this.#watchers.tell(task.name)
    const { completed, failed } = this.#lists
    while (completed.size + failed.size > this.#settings.maxSettled) this.#makeRoom(this.#lists.settledFirst!)
  }

  #makeRoom (settled: LocalTask) {
    this.#former.add(settled)
    this.#drop(settled)
  }

  /** Takes a task out of the kind, and out of the queue if it has not run. */
  #drop (task: LocalTask) {
    this.#lists.move(task, undefined)
    this.#tasks.delete(task.name)
    task.withdrawn.abort('dropped')
    this.#watchers.tell(task.name)
  }
}
