// The changelog and the README name the version that package.json has.
import { readFileSync } from 'node:fs'
import t from 'tap'

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')
const { version } = JSON.parse(read('package.json')) as { version: string }

t.test('the first section of the changelog is about the version of the package', async t => {
  const [, title] = /^## \[(.+?)\] - (?:Unreleased|\d{4}-\d{2}-\d{2})$/m.exec(read('CHANGELOG.md')) ?? []
  t.equal(title, version)
})

t.test('the README names the version of the package', async t => {
  t.match(read('README.md'), `This is version ${version}.`)
})
