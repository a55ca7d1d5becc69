import PQueue from 'p-queue'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { KindWorker, SettledCounts, TaskCounts, When } from '../../../types/cluster.ts'
import type { TaskStatus } from '../../../types/index.ts'
import { now } from '../../core/clock.ts'
import { KeyLimits } from '../../core/key-limits.ts'
import { MAX_DELAY } from '../../core/options.ts'
import { SettledHistory } from '../../core/settled-history.ts'
import { taskLabel } from '../../core/task-label.ts'
import { settlesWithin } from '../../core/within.ts'
import { longestBackoff } from '../backoff.ts'
import type { Added, Cancelled, Changed, NewTask, Outcome, Queue, QueueSettings, Run, StoredError, StoredSchedule, StoredTask, Stopped } from '../engine.ts'
import { toStoredError } from '../stored-error.ts'
import { FormerTasks } from './former-tasks.ts'
import { Schedules } from './schedules.ts'
import { SettledCalls } from './settled-calls.ts'
import { TaskLists } from './task-lists.ts'
import { LocalTask, self, type NewLocalTask } from './task.ts'
import { Watchers } from './watchers.ts'

const closing = { name: 'AbortError', message: 'Cancelled: the app is closing', code: 'ABORT_ERR' }

/** The tasks of one kind, in this process. p-queue decides when one may start. */
export class LocalQueue implements Queue {
  readonly #settings: QueueSettings
  readonly #slots: PQueue
  readonly #tasks = new Map<string, LocalTask>()
  readonly #lists = new TaskLists()
  readonly #watchers = new Watchers()
  readonly #former = new FormerTasks(name => this.#watchers.has(name))
  readonly #keyLimits = new KeyLimits()
  readonly #history = new SettledHistory()
  readonly #settledCalls: SettledCalls | undefined
  readonly #schedules = new Schedules({
    add: task => this.#add(task),
    withdraw: task => this.#drop(task)
  })

  #run: Run | undefined
  #workedSince: number | undefined
  /** Fires when the first delayed task is due. It keeps the process alive while somebody waits for a task, as do calls of `onSettled` to be tried again. */
  #timer: NodeJS.Timeout | undefined
  #paused = false
  /** Callbacks of tasks that p-queue had let start when the kind was paused. */
  readonly #whenResumed: (() => void)[] = []
  #stopped = false

  constructor (settings: QueueSettings) {
    this.#settings = settings
    const { concurrency, globalConcurrency, limit, onSettled } = settings
    if (onSettled !== undefined) this.#settledCalls = new SettledCalls(onSettled, ({ name }) => this.#watchers.notify(name))
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
    this.#expire()
    const task = this.#tasks.get(name)
    return (id === undefined || task?.id === id ? task : this.#former.get(name, id))?.snapshot()
  }

  async list (statuses: ReadonlySet<TaskStatus>, offset: number, limit: number, name = ''): Promise<StoredTask[]> {
    this.#expire()
    const page: StoredTask[] = []
    let left = offset
    for (const task of this.#lists) {
      if (page.length >= limit) break
      if (statuses.has(task.status) && task.name.startsWith(name) && left-- <= 0) page.push(task.snapshot())
    }
    return page
  }

  async count (): Promise<TaskCounts> {
    this.#expire()
    return this.#lists.counts
  }

  async isIdle (): Promise<boolean> {
    const { deferred, running } = this.#lists.counts
    return deferred + running + (this.#settledCalls?.pending ?? 0) === 0
  }

  async purge (): Promise<number> {
    this.#expire()
    const settled = [...this.#lists.failed, ...this.#lists.completed]
    for (const task of settled) this.#drop(task)
    return settled.length
  }

  async drop (name: string, id: number): Promise<boolean> {
    const task = this.#tasks.get(name)
    if (task?.id !== id || !task.settled) return false
    this.#drop(task)
    return true
  }

  async cancel (name: string, id: number | undefined, reason: StoredError): Promise<StoredTask | undefined> {
    const task = this.#tasks.get(name)
    if (task === undefined || task.id !== (id ?? task.id)) return undefined
    if (task.status === 'deferred') {
      this.#settle(task, { status: 'cancelled', error: reason })
      this.#schedules.passed(task)
    } else if (task.status === 'running') {
      task.cancel(reason)
      this.#watchers.notify(task.name)
    }
    return task.snapshot()
  }

  async cancelFirst (name: string, id: number, reason: StoredError): Promise<Cancelled | undefined> {
    const status = this.#tasks.get(name)?.status
    const task = await this.cancel(name, id, reason)
    return task === undefined ? undefined : { task, isFirst: status === 'deferred' || status === 'running' }
  }

  async retry (name: string, id?: number): Promise<{ task: StoredTask, retried: boolean } | undefined> {
    this.#expire()
    const task = this.#tasks.get(name)
    if (task === undefined) return undefined
    const retried = task.settled && task.id === (id ?? task.id)
    if (retried) this.#wait(task, () => task.retry())
    return { task: task.snapshot(), retried }
  }

  async promote (name: string): Promise<StoredTask | undefined> {
    const task = this.#tasks.get(name)
    if (task?.startsAt !== undefined && !this.#schedules.isNext(task)) this.#wait(task, () => task.becomeReady())
    return task?.snapshot()
  }

  async history (): Promise<SettledCounts[]> {
    return this.#history.toArray().map(({ time, completed, failed, cancelled }) => ({ time, completed, failed: failed + cancelled }))
  }

  async latency (): Promise<number> {
    const { waiting } = this.#lists
    if (waiting.size === 0) return 0
    let oldest = Infinity
    for (const { readySince } of waiting) oldest = Math.min(oldest, readySince)
    return Math.max(0, Date.now() - oldest)
  }

  async workers (): Promise<KindWorker[]> {
    return this.#run === undefined ? [] : [{ ...self, since: this.#workedSince }]
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
    for (const resume of this.#whenResumed.splice(0)) resume()
    if (this.#run !== undefined) this.#slots.start()
  }

  async isPaused (): Promise<boolean> {
    return this.#paused
  }

  watch (name: string | undefined, changed: Changed): () => void {
    const leave = this.#watchers.add(name, changed)
    this.#holdProcess()
    return () => {
      leave()
      this.#holdProcess()
    }
  }

  async work (run: Run): Promise<void> {
    this.#run = run
    this.#workedSince = Date.now()
    if (!this.#paused) this.#slots.start()
  }

  async stop (drainTimeout: number, cancelTimeout: number): Promise<Stopped> {
    const drainEndsAt = now() + drainTimeout
    this.#stopped = true
    this.#slots.pause()
    this.#schedules.clear()
    clearTimeout(this.#timer)
    const { waiting, delayed, running } = this.#lists
    const deferred = [...waiting, ...delayed]
    const ran = [...running]
    for (const task of deferred) this.#settle(task, { status: 'cancelled', error: closing })
    const allEnded = Promise.all(Array.from(running, task => task.ended))
    if (!await settlesWithin(allEnded, drainTimeout)) {
      for (const task of running) task.abort(closing)
      await settlesWithin(allEnded, cancelTimeout)
    }
    for (const task of running) task.abandon()
    const cancelled = [...deferred, ...ran.filter(task => task.status === 'cancelled')]
    const stopped = { handedOver: [], cancelled: cancelled.map(({ name }) => name), left: Array.from(running, ({ name }) => name) }
    await this.#settledCalls?.stop(Math.max(0, drainEndsAt - now()))
    return stopped
  }

  /** Adds a task, unless an unsettled one has its name. */
  #add (newTask: NewLocalTask): LocalTask | undefined {
    const previous = this.#tasks.get(newTask.name)
    if (previous?.settled === false) return undefined
    const { limit, unique, name } = newTask
    if (limit !== undefined) this.#keyLimits.check(limit, taskLabel({ name: unique ? undefined : name }))
    if (previous !== undefined) this.#makeRoom(previous)
    const task = new LocalTask(newTask, this.#settings.attempts)
    this.#tasks.set(task.name, task)
    if (limit !== undefined) this.#keyLimits.add(limit.key)
    this.#wait(task)
    return task
  }

  /** Lets a task wait: in p-queue if it may start, else until its time has come. */
  #wait (task: LocalTask, change?: () => void) {
    this.#lists.move(task, task => task.startsAt === undefined ? this.#lists.waiting : this.#lists.delayed, change)
    if (task.startsAt === undefined) this.#enqueue(task)
    else this.#setTimer()
    this.#watchers.notify(task.name)
  }

  #enqueue (task: LocalTask) {
    const withdrawn = new AbortController()
    task.leaveQueue = () => withdrawn.abort('withdrawn') // with a reason, so that no error is made
    this.#slots.add(async () => {
      // The event loop gets a turn before each run, however short the runs are, and the caller of `addTask` sees the task deferred.
      await nextTurn()
      while (this.#paused) await new Promise<void>(resolve => this.#whenResumed.push(resolve))
      if (withdrawn.signal.aborted) return
      task.leaveQueue = undefined
      task.ended = this.#runOnce(task)
      await task.ended
    }, { priority: -task.priority, signal: withdrawn.signal }).catch(() => {}) // it was withdrawn
  }

  /** Sets the timer to when the first delayed task is due, or to 24 days, the most that a timer takes. */
  #setTimer () {
    clearTimeout(this.#timer)
    const { first } = this.#lists.delayed
    if (first === undefined || this.#stopped) return
    const ms = Math.min(Math.max(0, first.startsAt! - Date.now()), MAX_DELAY)
    this.#timer = setTimeout(() => this.#startDue(), ms)
    this.#holdProcess()
  }

  #holdProcess () {
    const { hasAny } = this.#watchers
    if (hasAny) this.#timer?.ref()
    else this.#timer?.unref()
    this.#settledCalls?.holdProcess(hasAny)
  }

  #startDue () {
    for (let { first } = this.#lists.delayed; first !== undefined && first.startsAt! <= Date.now(); { first } = this.#lists.delayed) {
      const due = first
      this.#wait(due, () => due.becomeReady())
    }
    this.#setTimer()
  }

  /** One run of a task, from its start to what follows its end. Never rejects. */
  async #runOnce (task: LocalTask): Promise<void> {
    try {
      this.#lists.move(task, () => this.#lists.running, () => task.start())
      this.#schedules.passed(task)
      const running = this.#run!(task.snapshot(), () => this.#watchers.notify(task.name))
      task.run(running)
      this.#watchers.notify(task.name)
      const outcome = await running.outcome
      task.endRun(outcome)
      if (task.isLast || this.#stopped) this.#settle(task, outcome)
      else this.#wait(task, () => task.defer(backoffDelay(this.#settings.backoff, task.attempt)))
    } catch (error) { // a watcher or a schedule has thrown: the task must not stay running
      if (!task.settled) this.#settle(task, { status: 'failed', error: toStoredError(error), final: true })
    }
  }

  #settle (task: LocalTask, outcome: Outcome) {
    task.leaveQueue?.()
    this.#lists.move(task, () => outcome.status === 'completed' ? this.#lists.completed : this.#lists.failed, () => task.settle(outcome))
    this.#history.add(outcome.status, now())
    if (task.limitKey !== undefined) this.#keyLimits.remove(task.limitKey)
    task.limitKey = undefined
    this.#settledCalls?.add(task.snapshot())
    this.#watchers.notify(task.name)
    this.#expire()
    while (this.#lists.settledSize > this.#settings.maxSettled) this.#makeRoom(this.#lists.settledFirst!)
  }

  /** Drops the tasks that were kept for longer than `maxSettledAge`. */
  #expire () {
    const { maxSettledAge } = this.#settings
    if (maxSettledAge === Infinity) return
    for (let first = this.#lists.settledFirst; first !== undefined && first.settledAt! <= Date.now() - maxSettledAge; first = this.#lists.settledFirst) {
      this.#makeRoom(first)
    }
  }

  #makeRoom (settled: LocalTask) {
    this.#former.add(settled)
    this.#drop(settled)
  }

  /** Takes a task out of the kind, and out of p-queue if it waits there. */
  #drop (task: LocalTask) {
    this.#lists.move(task, () => undefined)
    this.#tasks.delete(task.name)
    task.leaveQueue?.()
    this.#watchers.notify(task.name)
  }
}

function backoffDelay (backoff: QueueSettings['backoff'], attempt: number): number {
  return Math.round(longestBackoff(backoff, attempt) * (1 - backoff.jitter * Math.random()))
}
