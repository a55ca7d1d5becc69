// What users import by name. To take a name out of these lists is a breaking change.
import { readFileSync } from 'node:fs'
import t from 'tap'
import * as core from '../../index.ts'
import * as cluster from '../../lib/cluster/index.ts'
import * as dashboard from '../../lib/dashboard/index.ts'

interface Names {
  exports: object
  values: string[]
  errors: string[]
  types: string[]
}

const entries: Record<string, Names> = {
  index: {
    exports: core,
    values: ['default', 'errors', 'taskStateSchema'],
    errors: ['CANCEL_TIMEOUT', 'CLOSED', 'DUPLICATE_NAME', 'INVALID_OPTION', 'INVALID_WORK', 'LIMIT', 'NOT_FOUND', 'TIMEOUT', 'YIELDED_PROMISE'],
    types: [
      'TaskStatus', 'TaskCallable', 'TaskGenerator', 'TaskGeneratorObject', 'TaskWork', 'TaskReply', 'TaskLimit', 'TaskOptions', 'CancelOptions', 'WatchOptions',
      'TaskWatch', 'GetTaskOptions', 'CancelTaskOptions', 'TaskState', 'Task', 'Tasks', 'FastifyTasksOptions'
    ]
  },
  cluster: {
    exports: cluster,
    values: ['clusterTaskStateSchema', 'default', 'errors'],
    errors: ['DEADLINE', 'HANDED_OVER', 'INVALID_DATA', 'KIND_DEFINED', 'MISSING_PACKAGE', 'STALLED', 'UNKNOWN_KIND', 'UNREACHABLE'],
    types: [
      'ClusterWorker', 'ClusterTaskState', 'ClusterTask', 'RunningTask', 'ClusterCallable', 'ClusterGenerator', 'ClusterWork',
      'Backoff', 'KindOptions', 'AddClusterTaskOptions', 'NewClusterTask', 'ListOptions', 'TaskCounts', 'When', 'Schedule',
      'Kind', 'KindWorker', 'GetClusterTask', 'Cluster', 'ClusterOptions', 'CancelTasksOptions', 'RetryTasksOptions', 'PurgeTasksOptions',
      'SettledStatus', 'UnsettledStatus', 'SettledCounts', 'TaskAttempt', 'TaskAttemptState'
    ]
  },
  dashboard: {
    exports: dashboard,
    values: ['default', 'errors'],
    errors: ['CROSS_SITE', 'DASHBOARD_OPEN', 'FORBIDDEN', 'HOST', 'STALE_CURSOR', 'STREAM_LIMIT'],
    types: ['DashboardAction', 'DashboardHook', 'DashboardSubject', 'DashboardAuthorize', 'FastifyTasksDashboardOptions']
  }
}

/** The names of a list that are not among others. */
const missing = (names: string[], others: string[]) => names.filter(name => !others.includes(name))

for (const [file, { exports, values, errors, types }] of Object.entries(entries)) {
  t.test(`types/${file}.ts and its entry export every name that users may import`, async t => {
    t.strictSame(missing(values, Object.keys(exports)), [], 'values')
    const codes = Object.keys((exports as typeof core).errors)
    t.strictSame(missing(errors.map(name => `FST_ERR_TASK_${name}`), codes), [], 'errors')
    const source = readFileSync(new URL(`../../types/${file}.ts`, import.meta.url), 'utf8')
    const declared = [...source.matchAll(/^export (?:interface|type) (\w+)/gm)].map(([, name]) => name!)
    t.strictSame(missing(types, declared), [], 'types')
  })
}
