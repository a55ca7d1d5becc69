import type { CancelTaskOptions, GetTaskOptions, Task, TaskCallable, TaskGenerator, TaskGeneratorObject, TaskOptions, Tasks, TaskWork } from './index.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Adds a background task. After Sanic's `app.add_task`.
     *
     * `work` is a function, a generator function, a generator object or a promise. Before ready it is deferred and starts at
     * `onReady`. After ready it starts before `addTask` returns. What a generator yields is the task's `progress`, and a
     * cancellation is thrown at its next `yield`. A promise is running when you add it, and nothing can stop it.
     *
     * @throws `FST_ERR_TASK_INVALID_WORK` and `FST_ERR_TASK_INVALID_OPTION` for bad arguments, `FST_ERR_TASK_CLOSED` once
     * the app closes, `FST_ERR_TASK_DUPLICATE_NAME` for a name that an unsettled task has, `FST_ERR_TASK_LIMIT` beyond
     * `maxTasks` (503) or `limit` (429). What the work throws is not thrown here: it is the task's `error`.
     *
     * @example
     * app.post('/reports', async (request, reply) => reply.code(202).send(app.addTask(buildReport)))
     */
    addTask<T, Data = unknown, Progress = unknown> (work: TaskGenerator<T, this, Data, Progress>, options?: TaskOptions<Data>): Task<T, Data, Progress>
    addTask<T, Data = unknown, Progress = unknown> (work: TaskGenerator<T, this, Data, Progress, Progress>, options?: TaskOptions<Data>): Task<T, Data, Progress>
    addTask<T, Data = unknown, Progress = unknown> (work: TaskGeneratorObject<T, Progress>, options?: TaskOptions<Data>): Task<T, Data, Progress>
    addTask<T, Data = unknown, Progress = unknown> (work: TaskCallable<T, this, Data, Progress>, options?: TaskOptions<Data>): Task<T, Data, Progress>
    addTask<R, Data = unknown, Progress = unknown> (work: (app: this, task: Task<any, Data, Progress>) => R, options?: TaskOptions<Data>): Task<Awaited<R>, Data, Progress>
    addTask<T, Data = unknown> (work: TaskWork<T, this, Data>, options?: TaskOptions<Data>): Task<T, Data>

    /**
     * Finds a task by its name. After Sanic's `app.get_task`.
     *
     * @throws `FST_ERR_TASK_NOT_FOUND` for an unknown name, unless `optional`.
     */
    getTask<T = unknown, Data = unknown, Progress = unknown> (name: string, options?: { optional?: false | undefined }): Task<T, Data, Progress>
    getTask<T = unknown, Data = unknown, Progress = unknown> (name: string, options: GetTaskOptions): Task<T, Data, Progress> | undefined

    /**
     * Cancels a task by its name and waits until it has settled: `task.cancel()`, found by name. After Sanic's
     * `app.cancel_task`.
     *
     * Rejects with `FST_ERR_TASK_NOT_FOUND` for an unknown name, unless `optional`, and as `task.cancel()` does. If no code
     * handles the rejection, it is still no `unhandledRejection`.
     */
    cancelTask (name: string, options?: CancelTaskOptions): Promise<void>

    /**
     * Drops all settled tasks, or those for which `which(task)` is true. Returns how many. After Sanic's
     * `app.purge_tasks`.
     *
     * @throws `FST_ERR_TASK_INVALID_OPTION` for a `which` that is no function, or that returns a promise.
     */
    purgeTasks (which?: (task: Task<unknown, any>) => boolean): number

    /** The tasks of the app. After Sanic's `app.tasks`. */
    readonly tasks: Tasks
  }
}
