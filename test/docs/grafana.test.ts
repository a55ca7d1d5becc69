import { readFile } from 'node:fs/promises'
import { Registry } from 'prom-client'
import Fastify from 'fastify'
import t from 'tap'
import metrics from '../../examples/metrics.ts'
import tasks from '../../index.ts'
import cluster from '../../lib/cluster/index.ts'

interface Dashboard {
  panels: Array<{ id: number, title: string, targets: Array<{ expr: string }> }>
  templating: { list: Array<{ name: string, query: string | { query: string } }> }
}

const text = await readFile(new URL('../../examples/grafana.json', import.meta.url), 'utf8')
const { panels, templating }: Dashboard = JSON.parse(text)
const queries = [
  ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ...templating.list.map(({ query }) => typeof query === 'string' ? query : query.query)
]

t.test('every metric of the dashboard is one that the recipe exports, and the other way round', async t => {
  const registry = new Registry()
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(metrics, { registry })
  await app.register(tasks)
  await app.register(cluster)
  await app.ready()
  const exported = registry.getMetricsAsArray().map(({ name }) => name)

  const used = queries.join().match(/\bfastify_\w+/g)!.map(name => name.replace(/_(bucket|sum|count)$/, ''))

  t.strictSame([...new Set(used)].sort(), exported.sort())
})

t.test('every label of the dashboard is one that the recipe sets', async t => {
  const selectors = queries.flatMap(query => [...query.matchAll(/\{([^}]*)\}/g)].flatMap(([, labels]) => labels!.match(/\w+(?==)/g)!))
  const groups = queries.flatMap(query => [...query.matchAll(/by \(([^)]*)\)/g)].flatMap(([, labels]) => labels!.split(', ')))

  t.strictSame([...new Set([...selectors, ...groups])].sort(), ['kind', 'le', 'status'])
})

t.test('every panel has an id of its own and uses the data source that the user chooses', async t => {
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  t.equal(text.match(/"uid": "\$\{datasource\}"/g)!.length, 2 * panels.length + 1)
})
