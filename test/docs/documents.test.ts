import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root, Workplace } from './documents/checks.ts'

const names = ['.', 'docs'].flatMap(folder => {
  const all = existsSync(join(root, folder)) ? readdirSync(join(root, folder)) : []
  return all.filter(name => name.endsWith('.md')).map(name => join(folder, name))
})

const workplace = new Workplace(t.testdir())
t.teardown(() => workplace.close())

for (const name of names) {
  for (const { title, problems } of workplace.checksOf(name, readFileSync(join(root, name), 'utf8'))) {
    t.test(title, async t => t.strictSame(await problems(), []))
  }
}
