import type { Counts, FleetKinds, FleetList, Health, TaskList } from '../wire.ts'
import { Actions } from './actions.ts'
import { describe, ReplyError, request, troubleIn } from './api.ts'
import { endBoot, tellFault, untilReady } from './boot.ts'
import { Bulk } from './bulk.ts'
import { Chart } from './chart.ts'
import { Clock } from './clock.ts'
import { Connection } from './connection.ts'
import { Details } from './details.ts'
import { byId, setText } from './element.ts'
import { showEmpty, showOutage, showWaiting } from './empty.ts'
import { Failures } from './failures.ts'
import { Filters } from './filters.ts'
import { count, elapsed, plural } from './format.ts'
import { Kind } from './kind.ts'
import { announce } from './notice.ts'
import { Pages } from './pages.ts'
import { foldWhereNarrow } from './panels.ts'
import { Sources, sum } from './sources.ts'
import { type ConnectionState, Stream } from './stream.ts'
import { Table } from './table.ts'
import { type AnyTask, isOfFleet, key, path } from './task.ts'
import { isSameList, isUnchosen, pathsOf, readView, taskKeyOf, taskPathOf, urlOf, type View, viewOf } from './view.ts'

type Frame = TaskList | FleetList

const fleetEvery = 5000
const healthEvery = 60_000
/** Milliseconds after which the page says that it waits. */
const patience = 2000

/** The page: one view, the parts that show it, and what keeps them up to date. */
class Page {
  #view: View
  /** True while the list that is shown is not the one of the view. */
  #isStale = true
  #askedAt = performance.now()
  readonly #clock = new Clock()
  /** When the process was started, on the server's clock. */
  #startedAt = 0
  #process = ''
  readonly #title = document.title
  #failed = 0
  #openName: string | undefined
  /** The counts of this process, once they are known. */
  #counts: Counts | undefined
  #lastFailedAt: number | null = null
  readonly #stream: Stream<Frame>
  readonly #connection: Connection
  readonly #actions: Actions
  readonly #bulk: Bulk
  readonly #chart = new Chart()
  readonly #table: Table
  readonly #details: Details
  readonly #filters: Filters
  readonly #failures: Failures
  readonly #pages: Pages
  readonly #sources: Sources | undefined
  readonly #kind: Kind

  constructor (health: Health, view: View) {
    this.#view = view
    this.#connection = new Connection({
      onPause: () => this.#togglePause(),
      onTryNow: () => this.#stream.restart(),
      onReset: () => this.#go({ status: undefined, kind: undefined, search: '' })
    })
    const change = (change: Partial<View>) => this.#go(change)
    const now = () => this.#clock.now()
    const onOpen = (task: AnyTask) => this.#open(task)
    const onReload = () => this.#reload()
    this.#actions = new Actions({
      onChange: task => {
        this.#table.refresh(task)
        this.#details.show(task)
      },
      onReload,
      onDrop: task => {
        if (this.#details.key === key(task)) this.#details.close()
        this.#outdate()
      }
    })
    const { cancel, retry, promote, drop } = this.#actions
    this.#table = new Table({ onOpen, actionOf: task => this.#actions.firstOf(task) }, now)
    this.#details = new Details({
      now,
      actions: [retry, promote, drop, cancel],
      see: task => this.#actions.see(task),
      isDropping: task => this.#actions.isDropping(task),
      onTitle: name => this.#showTitle(name),
      onClose: () => this.#closed()
    })
    this.#filters = new Filters(this.#view, change)
    this.#failures = new Failures(health.fleet, {
      now,
      onOpen,
      onAll: () => this.#showAllFailures(),
      retry,
      onTotal: total => this.#countFailed(total)
    })
    this.#pages = new Pages(change)
    this.#bulk = new Bulk(health.readOnly, () => {
      this.#outdate() // rows may move under the pointer, since the user has asked for it
      onReload()
    })
    this.#kind = new Kind(onReload)
    if (health.fleet) this.#sources = new Sources(health, change)
    this.#stream = new Stream<Frame>({
      paths: () => pathsOf(this.#view),
      onFrame: frame => this.#show(frame),
      onState: (state, reason) => this.#onState(state, reason),
      onFailure: error => this.#unread(error)
    })
    this.#stream.interval = health.interval
    this.#showHealth(health)
    foldWhereNarrow()
    // The link is not followed: its fragment would be in the URL, and going back to that URL would move the focus again.
    document.querySelector('.skip')!.addEventListener('click', event => {
      event.preventDefault()
      byId('tasks').focus()
    })
    addEventListener('popstate', () => this.#arrive(readView(location.search)))
    this.#clock.onTick(now => this.#tick(now))
    setInterval(() => this.#refreshHealth(), healthEvery)
    setInterval(() => this.#refreshRest(), Math.max(fleetEvery, health.interval))
    // Values that the page does not know are removed from the URL.
    history.replaceState(history.state, '', urlOf(this.#view))
    this.#arrive(this.#view)
  }

  #togglePause (): void {
    if (this.#stream.paused) this.#stream.resume()
    else this.#stream.pause()
  }

  /** Changes the view, and the URL with it. Another filter begins on its first page. */
  #go (change: Partial<View>, how: 'pushState' | 'replaceState' = 'pushState'): void {
    const view = { ...this.#view, cursor: undefined, ...change }
    // A name that is typed is one step in the history, not one step for each pause in typing.
    const isTyping = change.search !== undefined && this.#view.search !== '' && change.search !== ''
    history[isTyping ? 'replaceState' : how](null, '', urlOf(view))
    this.#arrive(view)
  }

  #arrive (view: View): void {
    const isOtherList = this.#isStale || !isSameList(view, this.#view)
    this.#view = view
    const open = taskKeyOf(view)
    if (open === undefined) this.#details.close()
    else if (open !== this.#details.key) this.#details.open(open, taskPathOf(view))
    if (!isOtherList) return
    this.#outdate()
    this.#table.wait()
    this.#filters.show(view)
    this.#sources?.show(view)
    this.#showKind()
    this.#failures.show(view)
    this.#chart.show(view)
    this.#stream.restart()
    this.#refreshFleet()
  }

  /** The list that is shown is not the one of the view any more. */
  #outdate (): void {
    this.#isStale = true
    this.#askedAt = performance.now()
  }

  #show (frame: Frame): void {
    const tasks = frame.tasks.map(task => this.#actions.see<AnyTask>(task))
    const isNew = this.#isStale
    this.#isStale = false
    this.#details.changed(tasks)
    if (isNew) this.#table.replace(tasks)
    else this.#table.update(tasks)
    if ('counts' in frame) {
      this.#filters.countKinds(frame.kinds)
      this.#lastFailedAt = frame.lastFailedAt
      this.#countProcess(frame.counts)
    }
    this.#pages.show(this.#view, frame)
    showEmpty(this.#view, tasks.length === 0, frame.pending, change => this.#go(change))
    if (isNew) announce(tasks.length === 0 ? 'No tasks' : `${plural(tasks.length, 'task')} shown`)
  }

  /**
   * If the server does not know the page of the list, as after a restart, the first page is opened. If only the fleet cannot be read,
   * the connection is not lost. If another list was requested, the old one does not stay under the new filters.
   */
  #unread (error: unknown): boolean {
    if (error instanceof ReplyError && [400, 410].includes(error.status) && this.#view.cursor !== undefined) {
      this.#go({ cursor: undefined }, 'replaceState')
      return true
    }
    const isUnread = this.#view.fleet !== undefined && error instanceof ReplyError && troubleIn(error) === 'away'
    if (isUnread || this.#isStale) {
      this.#table.replace([])
      this.#pages.clear()
      showOutage(describe(error))
    }
    return isUnread
  }

  #onState (state: ConnectionState, reason?: string): void {
    const isUp = state === 'live' || state === 'polling'
    const wasDown = !['live', 'polling', 'connecting', 'paused'].includes(this.#connection.state)
    if (isUp && wasDown) this.#refreshHealth()
    if (isUp || state === 'connecting' || state === 'unread') this.#clock.go()
    else this.#clock.stop()
    this.#connection.show(state, reason)
  }

  /** Going back closes the details. */
  #open (task: AnyTask): void {
    const of = isOfFleet(task) && task.kind !== this.#view.fleet ? task.kind : undefined
    this.#view = { ...this.#view, task: isOfFleet(task) ? task.name : task.id, of }
    history.pushState({ opened: true }, '', urlOf(this.#view))
    this.#details.open(key(task), path(task), task)
  }

  #closed (): void {
    if (this.#view.task === undefined) return
    this.#view = { ...this.#view, task: undefined, of: undefined }
    if (history.state?.opened === true) history.back()
    else history.replaceState(null, '', urlOf(this.#view))
  }

  /** Shows all failed tasks of this process, or those of the fleet if this process has none. */
  #showAllFailures (): void {
    const { fleet } = this.#view
    const isElsewhere = fleet === undefined && this.#counts?.failed === 0
    this.#go({ fleet: isElsewhere ? '' : fleet, status: 'failed', kind: undefined, search: '' })
    byId('tasks').focus()
  }

  #tick (now: number): void {
    this.#showProcess(now)
    this.#table.tick()
    this.#details.tick()
    this.#failures.tick()
    this.#kind.tick(now)
    const waited = performance.now() - this.#askedAt
    if (!this.#isStale || waited < patience || this.#connection.state === 'away') return
    this.#table.replace([])
    this.#pages.clear()
    showWaiting(Math.floor(waited / 1000))
  }

  /** The number of failures is in the title, so that it is seen while the page is in another tab. */
  #countFailed (failed: number): void {
    this.#failed = failed
    this.#showTitle(this.#openName)
  }

  #showTitle (name: string | undefined): void {
    this.#openName = name
    const failed = this.#failed > 0 ? `(${count(this.#failed)} failed) ` : ''
    document.title = name === undefined ? `${failed}${this.#title}` : `${name} · ${this.#title}`
  }

  #showHealth ({ host, pid, instance, uptime, versions, time, counts }: Health): void {
    this.#clock.set(time)
    this.#startedAt = time - uptime * 1000
    this.#process = `${host} · process ${pid} · instance ${instance} · Node ${versions.node}`
    this.#showProcess(time)
    if (this.#view.fleet !== undefined || this.#counts === undefined) this.#countProcess(counts)
  }

  #showProcess (now: number): void {
    setText(byId('process'), `${this.#process} · up ${elapsed(now - this.#startedAt)}`)
  }

  #countProcess (counts: Counts): void {
    this.#counts = counts
    this.#sources?.countProcess(counts)
    this.#showCounts()
  }

  /** Shows the counts for the view, and the buttons that depend on them. */
  #showCounts (): void {
    const { fleet } = this.#view
    const kind = fleet ? this.#sources?.find(fleet) : undefined
    const ofFleet = fleet === undefined ? undefined : fleet === '' ? sum(this.#sources?.kinds ?? []) : kind?.counts ?? null
    this.#filters.count(ofFleet === undefined ? this.#counts ?? null : ofFleet)
    this.#bulk.show({ view: this.#view, kind, counts: (ofFleet === undefined ? this.#counts : ofFleet) ?? {} })
    const failedOfFleet = this.#sources?.kinds.map(({ counts }) => counts?.failed)
    this.#failures.changed(JSON.stringify([this.#lastFailedAt, this.#counts?.failed, failedOfFleet]))
  }

  #showKind (): void {
    const { fleet } = this.#view
    this.#kind.show(fleet, fleet ? this.#sources?.find(fleet) : undefined, this.#clock.now())
    this.#showCounts()
  }

  #reload (): void {
    this.#stream.restart()
    this.#refreshFleet()
    this.#failures.reload()
  }

  async #refreshHealth (): Promise<void> {
    if (this.#stream.paused || document.hidden) return
    await request<Health>('GET', 'health').then(health => this.#showHealth(health), () => {})
  }

  async #refreshFleet (): Promise<void> {
    if (this.#sources === undefined) return
    await this.#sources.refresh()
    this.#sources.show(this.#view)
    this.#showKind()
  }

  async #refreshRest (): Promise<void> {
    if (document.hidden || this.#stream.paused) return
    this.#chart.refresh()
    if (this.#view.fleet !== undefined) this.#refreshHealth()
    await this.#refreshFleet()
    this.#failures.expire()
  }
}

/**
 * The view that the page starts with. If the URL chooses none and this process has no tasks, that is the fleet: a process that runs
 * nothing itself would show an empty list. If the kinds of the fleet are not known soon, the page starts with this process.
 */
async function firstView ({ fleet, counts }: Health): Promise<View> {
  const view = readView(location.search)
  const hasTasks = Object.values(counts).some(count => count > 0)
  if (!fleet || hasTasks || !isUnchosen(view)) return view
  const kinds = await request<FleetKinds>('GET', 'kinds', { timeout: patience }).then(({ kinds }) => kinds, () => [])
  return kinds.length > 0 ? viewOf('') : view
}

/** Starts the page once the server has said what can be done on it. */
async function start (): Promise<void> {
  const health = await untilReady()
  try {
    const view = await firstView(health)
    endBoot()
    new Page(health, view) // eslint-disable-line no-new
  } catch (error) {
    tellFault(error)
    throw error
  }
}

start()
