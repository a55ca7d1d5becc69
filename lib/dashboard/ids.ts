import { randomBytes } from 'node:crypto'

const instances = new WeakMap<object, string>()

/**
 * What the ids of an app's tasks begin with. Every process numbers its tasks from 1. With the instance before the number, a
 * click on an old page, or on the page of another process, cannot cancel another task.
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

/** The number in an id; undefined if it is not an id of this instance. */
export function numberIn (instance: string, id: string): number | undefined {
  const number = Number(id.slice(instance.length + 1))
  return id === toId(instance, number) ? number : undefined
}
