// fastify-tasks/cluster beside bare BullMQ, on servers of its own. `npm run bench:cluster`, or on one engine, with smaller
// queues: node --import tsx bench/cluster/index.js redis 1000,10000
import os from 'node:os'
import { startServer } from '../../test/cluster/fixtures/servers.ts'
import { cancel } from './cancel.js'
import { growth } from './growth.js'
import { many } from './many.js'
import { overhead } from './overhead.js'
import { retention } from './retention.js'
import { serverArgs } from './server-side.js'
import { waiting } from './waiting.js'

const [, , engines = 'redis,postgres', sizes = '1000,10000,100000'] = process.argv
const names = { redis: 'Redis', postgres: 'PostgreSQL' }

function line (engine, { what, bare = '', tasks, unit = '', goal, met }) {
  return [names[engine], what, bare, `${tasks.toFixed(2)} ${unit}`.trim(), goal === undefined ? '' : `${goal} ${met ? 'ok' : 'missed'}`]
}

console.log('| | | BullMQ | fastify-tasks | goal |')
console.log('| --- | --- | ---: | ---: | --- |')
for (const engine of engines.split(',')) {
  const server = await startServer(engine, { own: true, args: serverArgs[engine] })
  const parts = [
    () => retention(server.url), // first: the others leave events, which PostgreSQL removes while this counts
    () => overhead(server.url), () => cancel(server.url), () => growth(server.url, sizes.split(',').map(Number)),
    () => waiting(server.url), () => many(server.url, 10_000)
  ]
  for (const part of parts) {
    for (const row of await part()) console.log(`| ${line(engine, row).join(' | ')} |`)
  }
  await server.remove()
}

console.log()
console.log("The time that BullMQ takes, or its tasks a second; fastify-tasks' as a multiple of it, or as it is where it has a unit or is so often a task.")
console.log(`Node ${process.version}, ${os.cpus()[0].model}, ${os.availableParallelism()} cores`)
