import { fileURLToPath } from 'node:url'
import type { Block, Document, Lines } from './blocks.ts'

/** Code blocks that make one module, as a file whose lines have the numbers that they have in the document. */
export interface Program {
  line: number
  extension: 'js' | 'cjs' | 'ts'
  source: string
  /** Whether it is a file of tests, which run by themselves. */
  isTest: boolean
  /** What its calls of `console.log` are to print, by line. */
  prints: Map<number, string>
  expects: string[]
}

const extensions: Record<string, 'js' | 'ts'> = { js: 'js', javascript: 'js', ts: 'ts', typescript: 'ts' }

const prelude = fileURLToPath(new URL('prelude.ts', import.meta.url))

/** Whether a block is JavaScript or TypeScript. */
export function isCode ({ language }: Block): boolean {
  return language in extensions
}

/** The program that begins with a block. */
export function programOf (document: Document, block: Block): Program {
  const rest = document.blocks.filter(other => isCode(other) && other.line > block.line)
  const end = rest.findIndex(other => !other.continues)
  const blocks = [block, ...end === -1 ? rest : rest.slice(0, end)]

  const shown = blocks.flatMap(({ text }) => text).join('\n')
  const parts = blocks.flatMap(block => [...block.given, block, ...block.then])
  const written = parts.flatMap(({ text }) => text).join('\n')
  // A fragment uses an app that it has not made.
  const isFragment = /\bapp\b/.test(shown) && !/\b(const|let|var)\s+(app\b|\{[^}]*\bapp\b)/.test(written)
  if (isFragment) parts.unshift(...document.given)

  const first: string[] = []
  if (isFragment) {
    const create = /\.register\(tasks\b/.test(written) ? 'createBareApp' : 'createApp'
    first.push(`import { ${create} as createApp_ } from '${prelude}'; const app = await createApp_()`)
  }
  if (/\bassert\b/.test(written) && !/\bassert\b.* from /.test(written)) first.push("import assert from 'node:assert/strict'")

  const isCommonJs = /\brequire\(/.test(shown)
  return {
    line: block.line,
    extension: isCommonJs ? 'cjs' : extensions[block.language]!,
    source: lay([{ line: 1, text: [first.join('; ')] }, ...parts]) + (isCommonJs ? '' : '\nexport {}\n'),
    isTest: /from ['"](node:test|tap)['"]/.test(written),
    prints: new Map(blocks.flatMap(printsOf)),
    expects: blocks.flatMap(({ expects }) => expects)
  }
}

/** Puts lines where their numbers say. */
function lay (parts: Lines[]): string {
  const lines: string[] = []
  for (const { line, text } of parts) text.forEach((code, index) => { lines[line - 1 + index] = code })
  return Array.from(lines, line => line ?? '').join('\n')
}

function printsOf ({ line, text }: Block): Array<[number, string]> {
  return text.flatMap((code, index) => {
    const [, expected] = /\bconsole\.log\(.*\) \/\/ (.+)$/.exec(code) ?? []
    return expected === undefined ? [] : [[line + index, expected]]
  })
}
