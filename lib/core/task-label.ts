/** How messages name a task. If a task cannot be added, its options take its place. */
export function taskLabel (task: { readonly name?: unknown, readonly id?: number }): string {
  if (typeof task.name === 'string' && task.name !== '') return `task "${task.name}"`
  return task.id === undefined ? 'an unnamed task' : `task ${task.id}`
}
