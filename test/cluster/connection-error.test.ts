import t from 'tap'
import { isConnectionError } from '../../lib/cluster/bullmq/connection-error.ts'

t.test('what Node, pg and ioredis say of a server that is not there is told from what a server complains of', async t => {
  const there = [{ code: '23505', message: 'duplicate key' }, new Error('Missing lock for job 1'), new Error(), {}, { errors: [{ code: '23505' }] }]
  const gone = [
    { code: 'ECONNREFUSED' }, { code: '57P01', message: 'terminating connection due to administrator command' }, new Error('Connection is closed.'),
    new Error('Connection terminated unexpectedly'), { errors: [{ code: 'ECONNREFUSED' }, { code: 'ECONNREFUSED' }] }
  ]
  for (const error of there) t.equal(isConnectionError(error), false)
  for (const error of gone) t.equal(isConnectionError(error), true)
})
