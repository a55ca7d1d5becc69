import type { CancelTaskOptions, GetTaskOptions, Task, TaskOptions, Tasks, TaskWork } from './index.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Adds a background task. After Sanic's `app.add_task`.
     *
     * Before ready, a callable is deferred and starts at `onReady`; after ready it starts before `addTask` returns.
     * A promise is tracked as it is.
     *
     * @throws `FST_ERR_TASK_INVALID_WORK` and `FST_ERR_TASK_INVALID_OPTION` for bad arguments, `FST_ERR_TASK_CLOSED` once
     * the app closes, `FST_ERR_TASK_DUPLICATE_NAME` for a name that an unsettled task holds, `FST_ERR_TASK_LIMIT` beyond
     * `maxTasks`. Never what the work throws: that is the task's `error`.
     *
     * @example
     * app.post('/reports', async (request, reply) => reply.code(202).send(app.addTask(buildReport)))
     */
    addTask<T> (work: TaskWork<T, this>, options?: TaskOptions): Task<T>

    /**
     * Finds a task by its name. After Sanic's `app.get_task`.
     *
     * @throws `FST_ERR_TASK_NOT_FOUND` for an unknown name, unless `optional`.
     */
    getTask<T = unknown> (name: string, options?: { optional?: false | undefined }): Task<T>
    getTask<T = unknown> (name: string, options: GetTaskOptions): Task<T> | undefined

    /**
     * Cancels a task by its name and waits until it has settled: `task.cancel()`, found by name. After Sanic's
     * `app.cancel_task`.
     *
     * Rejects with `FST_ERR_TASK_NOT_FOUND` for an unknown name, unless `optional`, and as `task.cancel()` does.
     */
    cancelTask (name: string, options?: CancelTaskOptions): Promise<void>

    /** Drops every settled task; returns how many. After Sanic's `app.purge_tasks`. */
    purgeTasks (): number

    /** The tasks of the app. After Sanic's `app.tasks`. */
    readonly tasks: Tasks
  }
}
