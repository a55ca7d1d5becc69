/** How messages name a task, or the options of one that could not be added. */
export function taskLabel (task: { readonly name?: unknown, readonly id?: number }): string {
  if (typeof task.name === 'string' && task.name !== '') return `task "${task.name}"`
  return task.id === undefined ? 'an unnamed task' : `task ${task.id}`
}
