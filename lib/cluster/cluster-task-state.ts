import type { ClusterTaskState } from '../../types/cluster.ts'
import { isoString } from '../core/task-state.ts'
import type { StoredTask } from './engine.ts'

/** The state of a cluster task, as it is replied with. */
export function clusterTaskState (kind: string, stored: StoredTask): ClusterTaskState<any> {
  const { id, name, status, progress, attempt, maxAttempts, attempts, createdAt, startsAt, startedAt, settledAt, worker, error } = stored
  return {
    id,
    name,
    kind,
    status,
    progress,
    attempt,
    maxAttempts,
    attempts: attempts.map(run => ({ ...run, startedAt: isoString(run.startedAt), endedAt: isoString(run.endedAt) })),
    createdAt: isoString(createdAt),
    startsAt: isoString(startsAt),
    startedAt: isoString(startedAt),
    settledAt: isoString(settledAt),
    worker,
    error
  }
}
