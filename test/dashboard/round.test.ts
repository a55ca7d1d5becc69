import t from 'tap'
import { Round } from '../../lib/dashboard/round.ts'
import { holdProcess } from '../core/fixtures/hold-process.ts'

const subject = {}

t.test('a round without a time limit waits for each answer', async t => {
  const round = new Round(Infinity)
  await round.add(subject, new Promise(resolve => setImmediate(resolve, true)))
  await round.wait()
  t.equal(round.answer(subject), true)
})

t.test('an answer that came late counts until all are asked again', async t => {
  holdProcess(t)
  let answer!: (answer: boolean) => void
  const late = new Promise<boolean>(resolve => { answer = resolve })
  const round = new Round(1)
  await round.add(subject, late)
  await round.wait()
  t.equal(round.answer(subject), undefined)
  t.equal(round.skips(subject), true)
  answer(true)
  await new Promise(resolve => setImmediate(resolve))
  round.close([subject])
  t.equal(round.answer(subject), true)
  t.equal(round.skips(subject), false)
})

t.test('a round rejects with the error that an answer has rejected with', async t => {
  const round = new Round(Infinity)
  await round.add(subject, Promise.reject(new Error('no answer')))
  await t.rejects(round.wait(), { message: 'no answer' })
})
