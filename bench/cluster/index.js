// fastify-tasks/cluster beside bare BullMQ, on servers of its own. `npm run bench:cluster`, or on one engine, with smaller
// queues: node --import tsx bench/cluster/index.js redis 1000,10000
import os from 'node:os'
import { startServer } from '../../test/cluster/fixtures/servers.ts'
import { cancel } from './cancel.js'
import { growth } from './growth.js'
import { overhead } from './overhead.js'

const [, , engines = 'redis,postgres', sizes = '1000,10000,100000'] = process.argv
const names = { redis: 'Redis', postgres: 'PostgreSQL' }

function line (engine, { what, bare = '', tasks, goal, met }) {
  return [names[engine], what, bare, tasks.toFixed(2), goal === undefined ? '' : `${goal} ${met ? 'ok' : 'missed'}`]
}

console.log('| | | BullMQ | fastify-tasks | goal |')
console.log('| --- | --- | ---: | ---: | --- |')
for (const engine of engines.split(',')) {
  const server = await startServer(engine, { own: true })
  const parts = [() => overhead(server.url), () => cancel(server.url), () => growth(server.url, sizes.split(',').map(Number))]
  for (const part of parts) {
    for (const row of await part()) console.log(`| ${line(engine, row).join(' | ')} |`)
  }
  await server.remove()
}

console.log()
console.log("The time that BullMQ takes, or its tasks a second; fastify-tasks' as a multiple of it.")
console.log(`Node ${process.version}, ${os.cpus()[0].model}, ${os.availableParallelism()} cores`)
