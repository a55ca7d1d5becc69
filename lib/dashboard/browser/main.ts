import type { FleetList, Health, TaskList } from '../wire.ts'
import { Actions } from './actions.ts'
import { describe, ReplyError, request, troubleIn } from './api.ts'
import { endBoot, tellFault, untilReady } from './boot.ts'
import { Clock } from './clock.ts'
import { Connection } from './connection.ts'
import { Details } from './details.ts'
import { byId, setText } from './element.ts'
import { showEmpty, showOutage } from './empty.ts'
import { Failures } from './failures.ts'
import { Filters } from './filters.ts'
import { Fleet } from './fleet.ts'
import { elapsed, plural } from './format.ts'
import { Kind } from './kind.ts'
import { announce, notify } from './notice.ts'
import { Pages } from './pages.ts'
import { ask } from './question.ts'
import { type ConnectionState, Stream } from './stream.ts'
import { Table } from './table.ts'
import { type AnyTask, key, path } from './task.ts'
import { isSameList, pathsOf, readView, taskPathOf, urlOf, type View } from './view.ts'

type Frame = TaskList | FleetList

const fleetEvery = 5000
const healthEvery = 60_000

/** The page: one view, the parts that show it, and what keeps them up to date. */
class Page {
  #view = readView(location.search)
  /** Whether the list that is shown is not the one that is asked for. */
  #isStale = true
  readonly #clock = new Clock()
  /** When the process was started, on the server's clock. */
  #startedAt = 0
  #process = ''
  readonly #title = document.title
  readonly #stream: Stream<Frame>
  readonly #connection: Connection
  readonly #actions: Actions
  readonly #table: Table
  readonly #details: Details
  readonly #filters: Filters
  readonly #failures: Failures
  readonly #pages: Pages
  readonly #fleet: Fleet | undefined
  readonly #kind: Kind

  constructor (health: Health) {
    this.#connection = new Connection({
      onPause: () => this.#togglePause(),
      onTryNow: () => this.#stream.restart(),
      onReset: () => this.#go({ status: undefined, kind: undefined, name: '' })
    })
    const change = (change: Partial<View>) => this.#go(change)
    const now = () => this.#clock.now()
    const onOpen = (task: AnyTask) => this.#open(task)
    this.#actions = new Actions(health.readOnly, {
      onChange: task => {
        this.#table.refresh(task)
        this.#details.show(task)
      },
      onReload: () => this.#stream.restart()
    })
    const cancel = (task: AnyTask) => { this.#actions.cancel(task) }
    this.#table = new Table({
      onOpen,
      actionOf: task => this.#actions.canCancel(task) ? { label: 'Cancel', run: cancel } : undefined
    }, now)
    this.#details = new Details({
      now,
      actions: [{ label: 'Cancel the task', isPossible: task => this.#actions.canCancel(task), run: cancel }],
      see: task => this.#actions.see(task),
      onTitle: name => this.#showTitle(name),
      onClose: () => this.#closed()
    })
    this.#filters = new Filters(this.#view, change)
    this.#failures = new Failures({ now, onOpen })
    this.#pages = new Pages(change)
    this.#kind = new Kind(health.readOnly, (kind, paused) => { this.#pauseKind(kind, paused) })
    if (health.fleet) this.#fleet = new Fleet(health, change)
    this.#stream = new Stream<Frame>({
      paths: () => pathsOf(this.#view),
      onFrame: frame => this.#show(frame),
      onState: (state, reason) => this.#onState(state, reason),
      onFailure: error => this.#failed(error)
    })
    this.#stream.interval = health.interval
    this.#showHealth(health)
    this.#pages.show(this.#view, 0, null)
    byId('purge').hidden = health.readOnly
    byId('purge').addEventListener('click', () => this.#purge())
    // Not by the link's fragment: going back to a URL with it would take the focus again.
    document.querySelector('.skip')!.addEventListener('click', event => {
      event.preventDefault()
      byId('tasks').focus()
    })
    addEventListener('popstate', () => this.#arrive(readView(location.search)))
    this.#clock.onTick(now => this.#tick(now))
    setInterval(() => this.#refreshHealth(), healthEvery)
    setInterval(() => this.#refreshFleet(), Math.max(fleetEvery, health.interval))
    // What the page does not understand in its URL is not left there.
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
    // A name that is typed on is one step back, not one for each pause in typing.
    const isTyping = change.name !== undefined && this.#view.name !== '' && change.name !== ''
    history[isTyping ? 'replaceState' : how](null, '', urlOf(view))
    this.#arrive(view)
  }

  #arrive (view: View): void {
    const isOtherList = this.#isStale || !isSameList(view, this.#view)
    this.#view = view
    if (view.task === undefined) this.#details.close()
    else if (view.task !== this.#details.key) this.#details.open(view.task, taskPathOf(view.fleet, view.task))
    if (!isOtherList) return
    this.#isStale = true
    this.#table.wait()
    this.#filters.show(view)
    this.#fleet?.show(view)
    this.#showKind()
    this.#failures.show(view)
    this.#stream.restart()
    this.#refreshFleet()
  }

  #show (frame: Frame): void {
    const tasks = frame.tasks.map(task => this.#actions.see<AnyTask>(task))
    this.#details.changed(tasks)
    const isNew = this.#isStale
    this.#isStale = false
    if (isNew) this.#table.replace(tasks)
    else this.#table.update(tasks)
    if ('counts' in frame) {
      this.#filters.count(frame.counts)
      this.#filters.countKinds(frame.kinds)
      this.#failures.count(frame.counts.failed)
    }
    this.#pages.show(this.#view, tasks.length, 'cursor' in frame ? frame.cursor : frame.offset === null ? null : String(frame.offset))
    showEmpty(this.#view, tasks.length === 0, change => this.#go(change))
    if (isNew) announce(tasks.length === 0 ? 'No tasks' : `${plural(tasks.length, 'task')} shown`)
  }

  /**
   * A page of a list that a restarted server does not know gives way to the first. A fleet that cannot be read is no lost
   * connection. If another list was asked for, the old one does not stay under the new filters.
   */
  #failed (error: unknown): boolean {
    if (error instanceof ReplyError && [400, 410].includes(error.status) && this.#view.cursor !== undefined) {
      this.#go({ cursor: undefined }, 'replaceState')
      return true
    }
    const isUnread = this.#view.fleet !== undefined && error instanceof ReplyError && troubleIn(error) === 'away'
    if (isUnread || this.#isStale) {
      this.#table.replace([])
      this.#pages.show(this.#view, 0, null)
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
    this.#view = { ...this.#view, task: key(task) }
    history.pushState({ opened: true }, '', urlOf(this.#view))
    this.#details.open(key(task), path(task), task)
  }

  #closed (): void {
    if (this.#view.task === undefined) return
    this.#view = { ...this.#view, task: undefined }
    if (history.state?.opened === true) history.back()
    else history.replaceState(null, '', urlOf(this.#view))
  }

  #tick (now: number): void {
    this.#showProcess(now)
    this.#table.tick()
    this.#details.tick()
    this.#failures.tick()
  }

  #showTitle (name: string | undefined): void {
    document.title = name === undefined ? this.#title : `${name} · ${this.#title}`
  }

  #showHealth ({ host, pid, instance, uptime, versions, time }: Health): void {
    this.#clock.set(time)
    this.#startedAt = time - uptime * 1000
    this.#process = `${host} · process ${pid} · instance ${instance} · Node ${versions.node}`
    this.#showProcess(time)
  }

  #showProcess (now: number): void {
    setText(byId('process'), `${this.#process} · up ${elapsed(now - this.#startedAt)}`)
  }

  async #refreshHealth (): Promise<void> {
    if (this.#stream.paused || document.hidden) return
    await request<Health>('GET', 'health').then(health => this.#showHealth(health), () => {})
  }

  async #refreshFleet (): Promise<void> {
    if (this.#fleet === undefined || document.hidden || (this.#stream.paused && !this.#isStale)) return
    await this.#fleet.refresh()
    this.#fleet.show(this.#view)
    this.#showKind()
  }

  #showKind (): void {
    const { fleet } = this.#view
    const kind = fleet === undefined ? undefined : this.#fleet?.find(fleet)
    this.#kind.show(fleet, kind)
    if (fleet !== undefined) this.#filters.count(kind?.counts ?? null)
  }

  async #pauseKind (kind: string, paused: boolean): Promise<void> {
    try {
      await request(paused ? 'PUT' : 'DELETE', `kinds/pause?${new URLSearchParams({ kind })}`)
      notify(paused ? `${kind} is paused: what runs goes on, nothing else starts.` : `${kind} is resumed.`)
    } catch (error) {
      notify(`${kind} was not ${paused ? 'paused' : 'resumed'}. ${describe(error)}`, 'bad')
    }
    await this.#refreshFleet()
  }

  async #purge (): Promise<void> {
    const { fleet } = this.#view
    const yes = await ask({
      title: 'Purge settled tasks?',
      text: fleet === undefined
        ? 'Every completed, failed and cancelled task of this process is dropped from the list, whatever the filters. What runs goes on.'
        : `Every completed, failed and cancelled task of ${fleet} is dropped from the list. What runs goes on.`,
      yes: 'Purge',
      no: 'Keep them'
    })
    if (!yes) return
    try {
      const query = new URLSearchParams(fleet === undefined ? { status: 'settled' } : { kind: fleet, status: 'settled' })
      const { purged } = await request<{ purged: number }>('DELETE', `${fleet === undefined ? 'tasks' : 'kinds/tasks'}?${query}`)
      notify(`${plural(purged, 'task')} purged.`)
    } catch (error) {
      notify(`Nothing was purged. ${describe(error)}`, 'bad')
    }
    this.#stream.restart()
  }
}

async function start (): Promise<void> {
  const health = await untilReady()
  try {
    endBoot()
    new Page(health) // eslint-disable-line no-new
  } catch (error) {
    tellFault(error)
    throw error
  }
}

start()
