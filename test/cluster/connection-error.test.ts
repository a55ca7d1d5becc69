import t from 'tap'
import { isConnectionError, refusalOf, removeCommands } from '../../lib/cluster/bullmq/connection-error.ts'

t.test('errors of Node, pg and ioredis about a server that cannot be reached are told apart from errors of the server', async t => {
  const there = [{ code: '23505', message: 'duplicate key' }, new Error('Missing lock for job 1'), new Error(), {}, { errors: [{ code: '23505' }] }]
  const gone = [
    { code: 'ECONNREFUSED' }, { code: '57P01', message: 'terminating connection due to administrator command' }, new Error('Connection is closed.'),
    new Error('Connection terminated unexpectedly'), { errors: [{ code: 'ECONNREFUSED' }, { code: 'ECONNREFUSED' }] }
  ]
  for (const error of there) t.equal(isConnectionError(error), false)
  for (const error of gone) t.equal(isConnectionError(error), true)
})

t.test('refusals because of the state of the server are told apart from refusals of a bad command', async t => {
  const refused: [object, string][] = [
    [new Error('OOM command not allowed when used memory > \'maxmemory\'. script: 0123, on @user_script:1.'), 'OOM'],
    [new Error('READONLY You can\'t write against a read only replica.'), 'READONLY'],
    [new Error('ERR Error running script (call to f_0123): @user_script:9: -MISCONF Redis is configured to save RDB snapshots'), 'MISCONF'],
    [new Error('LOADING Redis is loading the dataset in memory'), 'LOADING'],
    [new Error('NOAUTH Authentication required.'), 'NOAUTH'],
    [new Error('ERR max number of clients reached'), 'max number of clients'],
    [{ code: '53100', message: 'could not extend file' }, '53100'], [{ code: '57014', message: 'canceling statement' }, '57014'],
    [{ code: '42883', message: 'function add_job does not exist' }, '42883'], [{ code: '42501', message: 'permission denied' }, '42501'],
    [{ code: '25006', message: 'cannot execute INSERT in a read-only transaction' }, '25006']
  ]
  for (const [error, word] of refused) t.equal(refusalOf(error), word)
  for (const error of [new Error('ERR unknown command'), { code: '23505', message: 'duplicate key' }, { code: '42601', message: 'syntax error' }, {}, { code: 'ECONNREFUSED' }]) t.equal(refusalOf(error), undefined)
})

t.test('an error loses the commands that ioredis adds to it', async t => {
  const command = { name: 'hello', args: ['3', 'AUTH', 'default', 'secret'] }
  const reply = (message: string) => Object.assign(new Error(message), { command })
  const error = Object.assign(reply('EXECABORT'), { code: 'E_CODE', previousErrors: [reply('WRONGPASS')], lastNodeError: reply('NOPERM') })
  removeCommands(error)
  t.strictSame({ ...error }, { code: 'E_CODE' })
})
