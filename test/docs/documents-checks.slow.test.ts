// What documents.test.ts is worth: a document that tells the truth has no problems, and one that doesn't has them.
import t, { type Test } from 'tap'
import { Workplace } from './documents/checks.ts'

const workplace = new Workplace(t.testdir())
t.teardown(() => workplace.close())

/** What is wrong with a document, in which `~~~` stands for a fence. */
async function problemsOf (t: Test, markdown: string): Promise<string> {
  const problems: string[] = []
  const name = `${t.name.replace(/\W+/g, '-')}.md`
  for (const check of workplace.checksOf(name, markdown.replaceAll('~~~', '```'))) problems.push(...await check.problems())
  return problems.join('\n')
}

t.test('a document without mistakes has no problems', async t => {
  t.equal(await problemsOf(t, `
<!-- given for all
const answer = 42
-->

<!-- declares
interface FastifyRequest { user: string }
-->

~~~sh
npm ci && npm run lint   # checks it
npm install fastify-tasks @types/ws@8
~~~

<!-- given
import { once } from 'node:events'
-->
~~~js
const report = async (app, { signal }) => await once(app.server, 'report', { signal })
console.log(answer) // 42
app.post('/reports/:id', async (request, reply) => reply.code(202).send(app.addTask(report, { name: request.params.id })))
~~~

And then:

<!-- continues -->
~~~js
app.get('/reports/:id', async request => app.getTask(request.params.id))
app.get('/user', async request => ({ letters: request.user?.length }))
const task = app.addTask(() => 1)
~~~
<!-- then
await app.ready()
assert.equal(task.result, 1)
assert.equal(answer, 42)
-->

~~~sh
# Start one:
curl -X POST localhost:3000/reports/5   # {"id":2,"name":"5",…"status":"running",…}

curl localhost:3000/reports/5
# {"id": 2, "name": "5",
#  …}
~~~

<!-- expects: disk full -->
~~~ts
import Fastify from 'fastify'
import tasks, { errors, type Task } from 'fastify-tasks'

const app = Fastify({ logger: true })
await app.register(tasks)
const task: Task<never> = app.addTask(() => { throw new Error('disk full') })
app.get('/', async () => 'Hello')
await app.listen({ port: 3000, host: '0.0.0.0' })
console.log(task.status, new errors.FST_ERR_TASK_NOT_FOUND('x').statusCode) // failed 404
~~~

~~~js
import assert from 'node:assert'
import test from 'node:test'

test('one and one', () => assert.equal(1 + 1, 2))
~~~

~~~js
const tasks = require('fastify-tasks')
const app = require('fastify')()
app.register(tasks)
~~~

~~~json
{ "type": "module" }
~~~

~~~text
anything
~~~
`), '')
})

for (const [what, markdown, problem] of [
  ['a program that throws', '\n~~~js\n\nnobody()\n~~~', /ReferenceError: nobody is not defined\n.*:4:1/],
  ['a program that ends the process', '\n~~~js\nprocess.exit(3)\n~~~', /ended its process \(3\)/],
  ['a rejection that nobody handles', '\n~~~js\nPromise.reject(new Error("lost"))\n~~~', /lost/],
  ['a task that fails', '\n~~~js\napp.addTask(async () => { nobody() })\n~~~', /Task 1 failed: ReferenceError/],
  ['an error that is told and does not come', '\n<!-- expects: disk full -->\n~~~js\napp.addTask(() => 1)\n~~~', /Nothing told of "disk full"/],
  ['a route that fails', '\n~~~js\napp.get("/x/:id", async () => nobody())\n~~~', /GET \/x\/1: ReferenceError/],
  ['other output', '\n~~~js\nconsole.log(6 * 7) // 41\n~~~', /line 3: printed \["42"\] and not 41/],
  ['an assertion that does not hold', '\n~~~js\nconst x = 1\n~~~\n<!-- then assert.equal(x, 2) -->', /AssertionError/],
  ['another answer', '\n~~~js\napp.get("/", async () => "yes")\n~~~\n~~~sh\ncurl -i -X GET localhost:3000/ # …no\n~~~', /curl.*\nanswers HTTP\/1.1 200 OK/],
  ['a server that is not there', '\n~~~sh\nnpm start\ncurl localhost:3000/nowhere # yes\n~~~', /answers \{"message"/],
  ['a test that fails', '\n~~~js\nimport test from "node:test"\ntest("x", () => { throw new Error("no") })\n~~~', /fail 1/],
  ['a type that is wrong', '\n~~~ts\n\nexport const x: string = 1\n~~~', /line 4: Type 'number' is not assignable/],
  ['JavaScript with a type that is wrong', '\n~~~js\nif (false) {\n  app.tasks.idel()\n}\n~~~', /line 4: Property 'idel' does not exist/],
  ['JavaScript that misses a value which may be undefined', '\n~~~js\nfor (const task of app.tasks) task.name.length\n~~~', /line 3: 'task.name' is possibly 'undefined'/],
  ['a script that is not there', '\n~~~sh\nnpm run nothing\n~~~', /no script "nothing"/],
  ['a package that is not there', '\n~~~sh\nnpm install fastify-taks\n~~~', /"fastify-taks"/],
  ['a program that is not there', '\n~~~sh\nnpx nothing\n~~~', /"nothing"/],
  ['a command that nobody runs', '\n~~~sh\nrm -rf /\n~~~', /nothing is known of "rm"/],
  ['JSON that is none', '\n~~~json\n{ a: 1 }\n~~~', /SyntaxError/],
  ['a language that nobody runs', '\n~~~python\nprint(1)\n~~~', /mark it as text/],
  ['no language', '\n~~~\nconst a = 1\n~~~', /mark it as text/]
] as const) {
  t.test(`${what} is a problem`, async t => t.match(await problemsOf(t, markdown), problem))
}

t.test('a block without an end is an error', async t => {
  t.throws(() => workplace.checksOf('endless.md', '\n```js\nconst a = 1\n'), { message: /begins at line 2/ })
})
