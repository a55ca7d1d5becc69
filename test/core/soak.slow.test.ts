import { fork } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'

t.test('a short soak leaves nothing: no task, listener, warning, unhandled rejection or memory', async t => {
  const soak = fork(new URL('./soak.ts', import.meta.url), ['30000', '5000'], {
    execArgv: [...process.execArgv, '--expose-gc'],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc']
  })
  let output = ''
  soak.stdout!.on('data', chunk => { output += chunk })
  soak.stderr!.on('data', chunk => { output += chunk })

  const [code] = await once(soak, 'close')

  t.comment(output)
  t.equal(code, 0)
})
