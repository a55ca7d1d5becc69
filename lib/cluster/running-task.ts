import type { ClusterTaskState, RunningTask as PublicRunningTask } from '../../types/cluster.ts'
import type { Task } from '../core/task.ts'
import { taskState } from '../core/task-state.ts'
import { clusterTaskState } from './cluster-task-state.ts'
import type { StoredTask } from './engine.ts'

/** A cluster task, as its work gets it: what is stored of it, and the task of the core that runs it in this process. */
export class RunningTask implements PublicRunningTask {
  readonly #core: Task
  readonly #stored: StoredTask

  constructor (core: Task, stored: StoredTask) {
    this.#core = core
    this.#stored = stored
  }

  get id () { return this.#stored.id }
  get name () { return this.#stored.name }
  get kind () { return this.#core.kind! }
  get data () { return this.#stored.data }
  get attempt () { return this.#stored.attempt }
  get createdAt () { return this.#stored.createdAt }
  get status () { return this.#core.status }
  get startedAt () { return this.#core.startedAt! }
  get signal () { return this.#core.signal }
  get log () { return this.#core.log }
  get progress () { return this.#core.progress }
  set progress (progress) { this.#core.progress = progress }

  toJSON (): ClusterTaskState {
    const { status, progress, startedAt, settledAt, error } = taskState(this.#core)
    return { ...clusterTaskState(this.kind, this.#stored), status, progress, startedAt, settledAt, error }
  }
}
