import { randomBytes } from 'node:crypto'

const instances = new WeakMap<object, string>()

/**
 * What the ids of an app's tasks begin with. The numbers of a process start again with it, and those of its neighbour are
 * the same: with the instance before them, an old click cannot cancel another task.
 */
export function instanceOf (tasks: object): string {
  let instance = instances.get(tasks)
  if (instance === undefined) {
    instance = randomBytes(6).toString('hex')
    instances.set(tasks, instance)
  }
  return instance
}

export function toId (instance: string, number: number): string {
  return `${instance}-${number}`
}

/** The number in an id, unless the id is of another instance or none at all. */
export function numberIn (instance: string, id: string): number | undefined {
  const number = Number(id.slice(instance.length + 1))
  return id === toId(instance, number) ? number : undefined
}
