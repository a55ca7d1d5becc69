import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { blocksOf, type Block } from './blocks.ts'
import { commandsOf, problemOf, problemOfCurl, type Command } from './commands.ts'
import { matches } from './matches.ts'
import { asUser, ProgramProcess } from './program-process.ts'
import { isCode, programOf } from './programs.ts'
import { typeErrorsOf, typeErrorsOfJavaScript } from './type-check.ts'

export const root = fileURLToPath(new URL('../../..', import.meta.url))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const exampleServer = join(root, 'examples/server.ts')

/** Documents whose JavaScript need not be TypeScript: they decorate the app, and read data that only a type could name. */
const untyped = ['docs/cluster.md', 'docs/dashboard.md', 'docs/reference.md']

/** Something that a document claims, and what is wrong with it. */
export interface Check {
  title: string
  problems: () => Promise<string[]>
}

/** Where programs find the package by its name, from its sources, and all other packages as the project has them. */
export class Workplace {
  readonly #folder: string
  readonly #process = new ProgramProcess()

  constructor (folder: string) {
    this.#folder = folder
    const itself = join(folder, 'node_modules', manifest.name)
    mkdirSync(itself, { recursive: true })
    const exports = JSON.stringify(manifest.exports).replace(/\.\/dist\/([^"]+?)(\.d\.ts|\.js)"/g, './$1.ts"')
    writeFileSync(join(itself, 'package.json'), JSON.stringify({ ...manifest, exports: JSON.parse(exports) }))
    for (const name of ['index.ts', 'lib', 'types']) symlinkSync(join(root, name), join(itself, name))
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }') // else the package's name would be its own, and lead to dist
  }

  async close () {
    await this.#process.stop()
  }

  /** All checks of a document. They are to be run in their order, one at a time. */
  checksOf (name: string, markdown: string): Check[] {
    const document = blocksOf(markdown)
    const { blocks } = document
    const copies: string[] = [] // of its JavaScript, as TypeScript
    const checks: Check[] = blocks.flatMap((block, index) => {
      const at = `${name}:${block.line}`

      if (isCode(block)) {
        if (block.continues) return [] // part of a program that began above
        const program = programOf(document, block)
        const file = join(this.#folder, `${name.replace(/\W/g, '-')}-${program.line}.${program.extension}`)
        writeFileSync(file, program.source)
        if (program.extension === 'js') {
          const declared = document.declares.flatMap(({ text }) => text).join('\n')
          copies.push(`${file}.ts`)
          writeFileSync(`${file}.ts`, `${program.source}\ndeclare module 'fastify' {\n${declared}\n}\n`)
        }
        const run = { title: `${at} runs`, problems: () => program.isTest ? problemsOfTest(file) : this.#problemsOf(file, commandsAfter(blocks, index), program) }
        return program.extension === 'ts' ? [run, { title: `${at} is typed`, problems: async () => typeErrorsOf(file) }] : [run]
      }

      if (block.language === 'sh') {
        const commands = commandsOf(block)
        const names = { title: `${at} names what there is`, problems: async () => commands.flatMap(command => problemOf(command, manifest)) }
        if (!isStart(block)) return [names]
        const example = [...commands, ...commandsAfter(blocks, index)]
        return [names, { title: `${at} starts the example server`, problems: () => this.#problemsOfExample(example) }]
      }

      if (block.language === 'json') {
        return [{ title: `${at} is JSON`, problems: async () => problemsOfJson(block) }]
      }

      const problem = `A block of the language "${block.language}" is not run: mark it as text`
      return [{ title: `${at} is run, or text`, problems: async () => block.language === 'text' ? [] : [problem] }]
    })
    if (copies.length > 0 && !untyped.includes(name)) {
      checks.push({ title: `${name} has JavaScript that is typed, but for parameters`, problems: async () => typeErrorsOfJavaScript(copies) })
    }
    return checks
  }

  /** Some tasks of the example server fail on purpose: the dashboard shows them. */
  async #problemsOfExample (commands: Command[]) {
    const problems = await this.#problemsOf(exampleServer, commands)
    return problems.filter(problem => !/^Task \S+ failed: /.test(problem))
  }

  /** Runs a program and then commands against its server. */
  async #problemsOf (file: string, commands: Command[], { prints, expects } = { prints: new Map<number, string>(), expects: [] as string[] }) {
    const { error, url } = await this.#process.start(pathToFileURL(file))
    if (error !== undefined) return [error]
    const wrong: string[] = []
    for (const command of commands) {
      const problem = command.text.startsWith('curl ') && await problemOfCurl(command, url ?? '').catch(String)
      if (problem) wrong.push(`line ${command.line}: ${problem}`)
    }
    const { error: failure, problems = [], printed = [] } = await this.#process.finish()
    if (failure !== undefined) wrong.push(failure)
    wrong.push(...problems.filter(problem => !expects.some(text => problem.includes(text))))
    for (const text of expects) {
      if (!problems.some(problem => problem.includes(text))) wrong.push(`Nothing told of "${text}"`)
    }
    for (const [line, expected] of prints) {
      const texts = printed.filter(print => print.line === line).map(({ text }) => text)
      if (!texts.some(text => matches(text, expected))) wrong.push(`line ${line}: printed ${JSON.stringify(texts)} and not ${expected}`)
    }
    return wrong
  }
}

/** The shell commands between a block and the next one that starts something. */
function commandsAfter (blocks: Block[], index: number): Command[] {
  const rest = blocks.slice(index + 1)
  const end = rest.findIndex(block => (isCode(block) && !block.continues) || isStart(block))
  return (end === -1 ? rest : rest.slice(0, end)).filter(({ language }) => language === 'sh').flatMap(commandsOf)
}

function isStart (block: Block): boolean {
  return block.language === 'sh' && commandsOf(block).some(({ text }) => text === 'npm start')
}

function problemsOfJson ({ text }: Block): string[] {
  try {
    JSON.parse(text.join('\n'))
    return []
  } catch (error) {
    return [String(error)]
  }
}

/** Runs a file of tests, of `node:test` or tap. */
async function problemsOfTest (file: string): Promise<string[]> {
  const { code = 0, stdout, stderr } = await promisify(execFile)('env', [...asUser, file]).catch(error => error)
  return code === 0 && /^\s*(ok 1|✔) /m.test(stdout) ? [] : [stdout + stderr]
}
