import type { Attempt } from '../wire.ts'
import { element } from './element.ts'
import { duration, exactTime, moment } from './format.ts'
import { visible } from './name.ts'
import { type AnyTask, attemptsOf } from './task.ts'
import { reason } from './why.ts'

interface Step { at: number, title: string, more?: string | undefined, tone?: 'failed' | 'completed' | undefined }

/** What has happened to a task and when, to the millisecond: added, started, each attempt, settled. */
export function timeline (task: AnyTask): HTMLElement {
  const steps = stepsOf(task).sort((a, b) => a.at - b.at)
  return element('div', { class: 'timeline' },
    element('ol', {}, ...steps.map((step, i) => item(step, steps[i - 1]))),
    element('p', { class: 'muted' }, `Times of this device, ${Intl.DateTimeFormat().resolvedOptions().timeZone}.`)
  )
}

function item ({ at, title, more, tone }: Step, previous: Step | undefined): HTMLElement {
  return element('li', { 'data-tone': tone },
    element('time', { datetime: new Date(at).toISOString(), title: moment(at) }, exactTime(at, previous?.at)),
    element('span', {},
      element('strong', {}, title),
      previous === undefined ? '' : element('span', { class: 'muted' }, ` after ${duration(at - previous.at)}`),
      more === undefined ? '' : element('span', { class: 'reason' }, more)
    )
  )
}

function stepsOf (task: AnyTask): Step[] {
  const steps: Step[] = []
  const add = (time: unknown, title: string) => {
    if (typeof time === 'string') steps.push({ at: Date.parse(time), title })
  }
  const attempts = attemptsOf(task)
  const lastEnded = Math.max(0, ...attempts.map(({ endedAt }) => Date.parse(endedAt)))
  add(task.createdAt, 'Added')
  for (const attempt of attempts) {
    add(attempt.startedAt, `Attempt ${attempt.attempt} started`)
    steps.push(endOf(attempt))
  }
  // The last attempt that has ended is in the list already.
  if (task.startedAt !== undefined && !(attempts.length > 0 && Date.parse(task.startedAt) <= lastEnded)) {
    add(task.startedAt, attempts.length === 0 ? 'Started' : `Attempt ${task.attempt ?? attempts.length + 1} started`)
  }
  if (task.status === 'deferred') add(task.startsAt, 'Starts')
  // A task settles as its last attempt ends.
  const isTold = lastEnded > 0 && Math.abs(Date.parse(task.settledAt ?? '') - lastEnded) < 1000 && task.status !== 'cancelled'
  if (!isTold) add(task.settledAt, task.status === 'completed' ? 'Completed' : task.status === 'cancelled' ? 'Cancelled' : 'Failed')
  return steps
}

function endOf ({ attempt, endedAt, error, worker }: Attempt): Step {
  const where = worker === undefined ? '' : ` on ${worker.host}, process ${worker.pid}`
  const failed = error !== undefined
  return {
    at: Date.parse(endedAt),
    title: `Attempt ${attempt} ${failed ? 'failed' : 'completed'}${where}`,
    more: failed ? visible(reason(error)) : undefined,
    tone: failed ? 'failed' : 'completed'
  }
}
