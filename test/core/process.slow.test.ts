import { once } from 'node:events'
import t from 'tap'
import { runFixture } from './fixtures/run-fixture.ts'

t.test('on SIGTERM a server names the tasks that do not stop in a warning, runs the other onClose hooks and exits', async t => {
  const { child, ended } = runFixture(t, 'deaf-server.ts')
  await once(child, 'message')

  const signalled = performance.now()
  child.kill('SIGTERM')
  const { code, signal, stdout, stderr } = await ended
  const duration = performance.now() - signalled

  t.equal(stderr, '')
  t.equal(signal, null)
  t.equal(code, 0)
  const [cutOff, warning, ...others] = stdout.trimEnd().split('\n').map(line => JSON.parse(line))
  t.match(cutOff, { level: 40, tasks: ['deaf and draining'] })
  t.match(warning, { level: 40, tasks: ['deaf', 'deaf and draining'] })
  t.strictSame(others.map(line => line.msg), ['what tasks use is closed', 'closed'])
  t.ok(duration >= 390, `${duration} ms, drainTimeout and cancelTimeout`)
})

t.test('on SIGTERM a server whose tasks stop exits at once, whatever its timeouts', async t => {
  const { child, ended } = runFixture(t, 'patient-server.ts')
  await once(child, 'message')

  child.kill('SIGTERM')
  const { code, signal, stdout, stderr } = await ended

  t.equal(stderr, '')
  t.equal(signal, null)
  t.equal(code, 0)
  t.equal(stdout, 'closed\n')
})

t.test('a server that waits without a limit is kept until its tasks have ended', async t => {
  const { code, stdout, stderr } = await runFixture(t, 'endless-wait-server.ts').ended

  t.equal(stderr, '')
  t.equal(code, 0)
  t.equal(stdout, 'task ended\ndraining task ended\nclosed\n')
})

t.test('a timeout does not keep the process alive', async t => {
  const { code, signal, stdout, stderr } = await runFixture(t, 'timed-task.ts').ended

  t.equal(stderr, '')
  t.equal(signal, null)
  t.equal(code, 0)
  t.equal(stdout, 'running,running,completed\n')
})

t.test('a cancellation that has ended does not keep the process alive', async t => {
  const { code, signal, stdout, stderr } = await runFixture(t, 'cancelled-task.ts').ended

  t.equal(stderr, '')
  t.equal(signal, null)
  t.equal(code, 0)
  t.equal(stdout, 'cancelled,cancelled\n')
})

t.test('a cancellation that rejects and that nobody awaits does not end the process', async t => {
  const { code, signal, stdout, stderr } = await runFixture(t, 'unawaited-cancel.ts').ended

  t.equal(stderr, '')
  t.equal(signal, null)
  t.equal(code, 0)
  t.equal(stdout, 'cancelling,cancelling,cancelling,cancelling,FST_ERR_TASK_CANCEL_TIMEOUT\nclosed\n')
})
