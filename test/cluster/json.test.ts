import fc from 'fast-check'
import t from 'tap'
import { copyJson } from '../../lib/cluster/json.ts'

t.test('every JSON value is taken, and its copy equals it', async t => {
  fc.assert(fc.property(fc.jsonValue(), value => {
    const copy = copyJson(value)
    return JSON.stringify(copy) === JSON.stringify(value) && (copy !== value || Object(value) !== value)
  }))
})

t.test('a value that is not JSON is named with its path', async t => {
  const itself: Record<string, unknown> = {}
  itself.deep = [itself]
  let nested: unknown = 1
  for (let i = 0; i < 10_000; i++) nested = [nested]
  const cases: [unknown, string][] = [
    [{ a: { b: [1, () => {}] } }, 'data.a.b[1] is a function'],
    [{ 'a b': { 'c:d': Symbol('x') } }, 'data["a b"]["c:d"] is a symbol'],
    [[undefined], 'data[0] is undefined'],
    [{ at: new Date() }, 'data.at is a Date'],
    [new Map(), 'data is a Map'],
    [new (class Money {})(), 'data is a Money'],
    [Object.create(Object.create(Object.create(null))), 'data is a class instance'],
    [NaN, 'data is NaN'],
    [{ n: -Infinity }, 'data.n is -Infinity'],
    [5n, 'data is a bigint'],
    [itself, 'data.deep[0] contains itself'],
    [{ toJSON: 5, x: { toJSON () {} } }, 'data.x has a toJSON']
  ]
  for (const [value, problem] of cases) t.throws(() => copyJson(value), { message: problem })
  t.throws(() => copyJson(nested), /is nested too deeply$/)
})

t.test('properties that are undefined are left out', async t => {
  t.strictSame(copyJson({ a: undefined, b: 1 }), { b: 1 })
})

t.test('a property named __proto__ is one like any other', async t => {
  const copy = copyJson(JSON.parse('{"__proto__":{"a":1}}')) as object
  t.equal(JSON.stringify(copy), '{"__proto__":{"a":1}}')
  t.equal(Object.getPrototypeOf(copy), Object.prototype)
})

t.test('an error that a getter throws is the getter\'s', async t => {
  t.throws(() => copyJson({ get a () { throw new Error('mine') } }), { message: 'mine' })
})
