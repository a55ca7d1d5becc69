import type { FleetList, Health, TaskList } from '../wire.ts'
import { describe, type ReplyError, request } from './api.ts'
import { Cancel } from './cancel.ts'
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
import { pathsOf, readView, taskPathOf, urlOf, type View } from './view.ts'

type Frame = TaskList | FleetList

const fleetEvery = 5000
const healthEvery = 60_000

/** The page: one view, the parts that show it, and what keeps them up to date. */
class Page {
  #view = readView(location.search)
  /** Whether the list that is shown is not the one that is asked for. */
  #isStale = true
  readonly #clock = new Clock()
  readonly #stream: Stream<Frame>
  readonly #connection: Connection
  readonly #cancel: Cancel
  readonly #table: Table
  readonly #details: Details
  readonly #filters: Filters
  readonly #failures: Failures
  readonly #pages: Pages
  readonly #fleet: Fleet | undefined
  readonly #kind: Kind

  constructor (health: Health, connection: Connection) {
    this.#connection = connection
    const change = (change: Partial<View>) => this.#go(change)
    const now = () => this.#clock.now()
    const onOpen = (task: AnyTask) => this.#open(task)
    this.#cancel = new Cancel({
      onChange: task => {
        this.#table.refresh(task)
        this.#details.show(task)
      },
      onFailure: () => this.#stream.restart()
    })
    const onCancel = health.readOnly ? undefined : (task: AnyTask) => { this.#cancel.ask(task) }
    this.#table = new Table({ onOpen, onCancel }, now)
    this.#details = new Details({ now, onCancel, see: task => this.#cancel.see(task), onClose: () => this.#closed() })
    this.#filters = new Filters(this.#view, change)
    this.#failures = new Failures({ now, onOpen })
    this.#pages = new Pages(change)
    this.#kind = new Kind(health.readOnly, (kind, paused) => { this.#pauseKind(kind, paused) })
    if (health.fleet) this.#fleet = new Fleet(health, change)
    this.#stream = new Stream<Frame>({
      paths: () => pathsOf(this.#view),
      onFrame: frame => this.#show(frame),
      onState: (state, reason) => this.#onState(state, reason),
      onRefused: error => this.#refused(error)
    })
    this.#stream.interval = health.interval
    this.#showHealth(health)
    this.#pages.show(this.#view, 0, null)
    byId('purge').hidden = health.readOnly
    byId('purge').addEventListener('click', () => this.#purge())
    addEventListener('popstate', () => this.#arrive(readView(location.search)))
    setInterval(() => this.#tick(), 1000)
    setInterval(() => this.#refreshHealth(), healthEvery)
    setInterval(() => this.#refreshFleet(), Math.max(fleetEvery, health.interval))
    this.#arrive(this.#view)
  }

  togglePause (): void {
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
    this.#view = view
    this.#isStale = true
    this.#filters.show(view)
    this.#fleet?.show(view)
    this.#showKind()
    this.#failures.show(view)
    if (view.task === undefined) this.#details.close()
    else if (view.task !== this.#details.key) this.#details.open(view.task, taskPathOf(view.fleet, view.task))
    this.#stream.restart()
    this.#refreshFleet()
  }

  #show (frame: Frame): void {
    const tasks = frame.tasks.map(task => this.#cancel.see<AnyTask>(task))
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

  /** A page of a server that was started again gives way to the first. A fleet that cannot be read is no lost connection. */
  #refused ({ status, message }: ReplyError): boolean {
    if (status === 400 && this.#view.cursor !== undefined) {
      this.#go({ cursor: undefined }, 'replaceState')
      return true
    }
    if (this.#view.fleet === undefined) return false
    this.#table.replace([])
    this.#pages.show(this.#view, 0, null)
    showOutage(message)
    return true
  }

  #onState (state: ConnectionState, reason?: string): void {
    if (this.#connection.isLost && (state === 'live' || state === 'polling')) this.#refreshHealth()
    if (state === 'lost' || state === 'paused') this.#clock.stop()
    else this.#clock.go()
    this.#connection.show(state, reason)
  }

  #open (task: AnyTask): void {
    this.#view = { ...this.#view, task: key(task) }
    history.replaceState(null, '', urlOf(this.#view))
    this.#details.open(key(task), path(task), task)
  }

  #closed (): void {
    if (this.#view.task === undefined) return
    this.#view = { ...this.#view, task: undefined }
    history.replaceState(null, '', urlOf(this.#view))
  }

  #tick (): void {
    if (this.#stream.paused) return
    this.#table.tick()
    this.#details.tick()
    this.#details.refresh()
    this.#failures.tick()
  }

  #showHealth (health: Health): void {
    this.#clock.set(health.time)
    const { host, pid, instance, uptime, versions } = health
    setText(byId('process'), `${host} · process ${pid} · instance ${instance} · up ${elapsed(uptime * 1000)} · Node ${versions.node}`)
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

/** What may be done on the page is known once the server has told. */
async function start (): Promise<void> {
  let page: Page | undefined
  const connection = new Connection(() => page?.togglePause())
  while (page === undefined) {
    try {
      page = new Page(await request<Health>('GET', 'health'), connection)
    } catch (error) {
      connection.show('lost', describe(error))
      await new Promise(resolve => setTimeout(resolve, 2000))
    }
  }
}

start()
