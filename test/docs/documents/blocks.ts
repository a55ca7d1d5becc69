export interface Lines {
  /** The number in the document of the first of them, from 1. */
  line: number
  text: string[]
}

export interface Block extends Lines {
  language: string
  /** Whether it goes on where the code before it ends. */
  continues: boolean
  /** Code that a reader doesn't see: what the block takes for granted, and what must hold after it. */
  given: Lines[]
  then: Lines[]
  /** What may be told as an error, because the block is about that. */
  expects: string[]
}

export interface Document {
  blocks: Block[]
  /** What all fragments of the document take for granted. */
  given: Lines[]
  /** What a reader's program in TypeScript would declare of Fastify's types. */
  declares: Lines[]
}

const fence = /^(\s*)(`{3,}|~{3,})\s*([^\s`]*)/
const comment = /^<!-- (given for all|given|then|continues|expects|declares)\b:?\s*(.*?)\s*(-->)?$/

/** The fenced code blocks of a document in Markdown, and the comments that say how to run them. */
export function blocksOf (markdown: string): Document {
  const lines = markdown.split('\n')
  const document: Document = { blocks: [], given: [], declares: [] }
  let next: Pick<Block, 'continues' | 'given' | 'expects'> = { continues: false, given: [], expects: [] }

  /** The lines from an index, from 0, up to the one that `isLast` tells. */
  function upTo (isLast: (line: string) => boolean, from: number): Lines {
    const end = lines.findIndex((line, index) => index >= from && isLast(line))
    if (end === -1) throw new Error(`What begins at line ${from} has no end`)
    return { line: from + 1, text: lines.slice(from, end) }
  }

  for (let index = 0; index < lines.length; index++) {
    const line = lines[index]!
    const opening = fence.exec(line)
    if (opening) {
      const [, indent, ticks, language] = opening
      const body = upTo(line => line.trim() === ticks, index + 1)
      const text = body.text.map(line => line.startsWith(indent!) ? line.slice(indent!.length) : line)
      document.blocks.push({ ...body, text, language: language!, ...next, then: [] })
      next = { continues: false, given: [], expects: [] }
      index += text.length + 1
      continue
    }
    const [, kind, rest, end] = comment.exec(line) ?? []
    if (kind === 'continues') next.continues = true
    if (kind === 'expects') next.expects.push(rest!)
    if (kind !== 'given' && kind !== 'then' && kind !== 'given for all' && kind !== 'declares') continue
    const code = end ? { line: index + 1, text: [rest!] } : upTo(line => line === '-->', index + 1)
    if (!end) index += code.text.length + 1
    if (kind === 'given for all') document.given.push(code)
    else if (kind === 'declares') document.declares.push(code)
    else if (kind === 'given') next.given.push(code)
    else document.blocks.at(-1)!.then.push(code)
  }
  return document
}
