import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Block } from './blocks.ts'
import { matches } from './matches.ts'

export interface Command {
  line: number
  text: string
  /** What the document shows of its output. */
  shows: string | undefined
}

/** The commands of a block, with the comment at the end of each or the ones right below it. */
export function commandsOf ({ line, text }: Block): Command[] {
  const commands: Command[] = []
  let isOpen = false
  let part = ''
  text.forEach((code, index) => {
    const [, shell, comment] = /^(.*?)(?:(?:^|\s+)#\s*(.*))?$/.exec(code)!
    const command = commands.at(-1)
    if (shell === '') {
      if (comment !== undefined && isOpen && command) command.shows = command.shows === undefined ? comment : `${command.shows}\n${comment}`
      else isOpen = false
    } else if (shell!.endsWith('\\')) {
      part += shell!.slice(0, -1)
    } else {
      const texts = (part + shell).split(' && ').map(each => each.trim())
      for (const each of texts) commands.push({ line: line + index, text: each, shows: comment })
      part = ''
      isOpen = comment === undefined
    }
  })
  return commands
}

interface Manifest {
  name: string
  scripts: Record<string, string>
  dependencies: object
  peerDependencies: object
  devDependencies: object
}

/** What is wrong with a command: it names what there isn't, or nothing is known of it. */
export function problemOf ({ line, text }: Command, manifest: Manifest): string[] {
  const [program, ...args] = text.replace(/^(\w+=\S*\s+)+/, '').split(/\s+/)
  const [verb = '', ...names] = args.filter(arg => !arg.startsWith('-'))
  const packages = { [manifest.name]: '', ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.devDependencies }
  const unknown = (name: string, what: string) => [`line ${line}: there is no ${what} "${name}"`]
  switch (program) {
    case 'curl': // is run
    case 'node': // runs the program above it
      return []
    case 'npm': {
      if (verb === 'ci') return []
      if (verb === 'install' || verb === 'i') {
        return names.filter(name => !(name.replace(/(?<=.)@.*$/, '') in packages)).flatMap(name => unknown(name, 'such package in package.json:'))
      }
      const script = verb === 'run' ? names[0] ?? '' : verb
      return script in manifest.scripts ? [] : unknown(script, 'script')
    }
    case 'npx':
      return existsSync(new URL(`../../../node_modules/.bin/${verb}`, import.meta.url)) ? [] : unknown(verb, 'program of a development dependency')
    default:
      return [`line ${line}: nothing is known of "${program}": mark the block as text`]
  }
}

const local = /(?<=\b(?:localhost|127\.0\.0\.1):)\d+/g

/** Runs a curl command against a server. Tells what is wrong with the output. */
export async function problemOfCurl ({ text, shows }: Command, url: string): Promise<string | undefined> {
  const address = new URL(url)
  const command = text.replace(/\blocalhost:/g, '127.0.0.1:').replace(local, address.port)
  const isRead = !/\s(-X|--request|-d|--data|--json)\b/.test(text)
  const deadline = Date.now() + 30_000
  for (;;) {
    const { stdout } = await promisify(execFile)('sh', ['-c', command.replace(/^curl\b/, 'curl --silent --show-error --max-time 60')])
    if (shows === undefined || matches(stdout, shows)) return
    if (!isRead || Date.now() > deadline) return `${text}\nanswers ${stdout}\nand not ${shows}`
    await sleep(50) // what is read again may be as shown
  }
}
