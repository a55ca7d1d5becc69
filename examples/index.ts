// Runs a recipe: `npm run example cron`. Without a name it lists them all.
//
// The recipes import the plugin as a user does, by the name of the package. In a clone that name leads to the sources, so
// that nothing has to be built first: package.json exports them under the condition "fastify-tasks-source", which Node is
// told of with `-C`, tsc in tsconfig.json and tap in .taprc.
import { parseArgs } from 'node:util'
import closeWithGrace from 'close-with-grace'
import Fastify from 'fastify'
import { recipes } from './recipes.ts'

const { HOST = '127.0.0.1', PORT = '3000' } = process.env
const { positionals: [name] } = parseArgs({ allowPositionals: true })
const recipe = recipes.find(recipe => recipe.name === name)

if (recipe !== undefined) {
  const { program } = await recipe.load()
  const app = Fastify({ logger: { level: 'debug' } })
  await program(app)
  closeWithGrace({ logger: app.log }, () => app.close())
  const url = await app.listen({ host: HOST, port: Number(PORT) })
  console.log(`\nTry: ${recipe.toTry.replaceAll('URL', url)}\n`)
} else {
  if (name !== undefined) {
    console.error(`There is no example "${name}"`)
    process.exitCode = 1
  }
  console.log('npm run example <name>, with one of these names:')
  for (const { name, what } of recipes) console.log(`  ${name.padEnd(14)}${what}`)
}
