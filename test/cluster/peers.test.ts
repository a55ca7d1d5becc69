import { fork } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t from 'tap'

t.test('without bullmq, ioredis and pg the local engine runs, and a connection throws an error that names what to install', async t => {
  const child = fork(new URL('fixtures/without-peers.ts', import.meta.url), { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  const [output] = await Promise.all([text(child.stdout!), once(child, 'exit')])
  const [local, redis, postgres] = JSON.parse(output)
  t.equal(local, 'ran')
  t.match(redis, { code: /^FST_ERR_TASK_/, message: /bullmq/ })
  t.match(postgres, { code: /^FST_ERR_TASK_/, message: /bullmq/ })
})
