import { fork } from 'node:child_process'
import { once } from 'node:events'
import { measureRounds, ratio } from '../rounds.js'
import { openBare, openTasks } from './contenders.js'
import { median } from './overhead.js'

const ROUNDS = 60

/** A clock that all processes of a machine share, in ms. */
export const now = () => Number(process.hrtime.bigint() / 1000n) / 1000

/** What it takes until work in another process is aborted, beside a bare message to it: two rows. */
export async function cancel (url) {
  const peer = fork(new URL('peer.js', import.meta.url), [url])
  await once(peer, 'message')
  const told = async what => {
    for (;;) {
      const [message] = await once(peer, 'message')
      if (message.what === what) return message.at
    }
  }
  const bare = await openBare(url)
  const relay = bare.relay()
  const { app, kinds: { endless } } = await openTasks(url, app => ({ endless: app.cluster.defineTask('endless', () => {}) }), { work: false })
  let i = 0

  const startOne = async () => {
    const started = told('started')
    const { name } = await endless.addTask(i++)
    await started
    return name
  }
  const rounds = await measureRounds({
    bare: async () => {
      const received = told('received')
      const began = now()
      await relay.publish('bare', { i: i++ })
      return await received - began
    },
    tasks: async () => {
      const name = await startOne()
      const aborted = told('aborted')
      const began = now()
      const cancelled = endless.cancelTask(name)
      const at = await aborted
      await cancelled
      return at - began
    },
    settled: async () => {
      const name = await startOne()
      const began = now()
      await endless.cancelTask(name)
      return now() - began
    }
  }, measured => measured(), ROUNDS)
  peer.kill()
  await once(peer, 'exit')
  await app.close()
  await bare.close()

  const aborted = ratio(rounds, 'tasks', 'bare')
  const message = `${median(rounds, 'bare').toFixed(1)} ms`
  return [
    { what: "cancelling another process's task, until it is aborted", bare: message, tasks: aborted, goal: '≤ 3', met: aborted <= 3 },
    { what: 'the same, until cancelTask resolves', bare: message, tasks: ratio(rounds, 'settled', 'bare') }
  ]
}
