import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { extname } from 'node:path'

/** A file of the page, as it is served. */
export interface Asset {
  /** Relative to the plugin's prefix; the page itself is at ''. */
  path: string
  type: string
  read: () => Promise<{ body: string, etag: string }>
}

const folder = new URL('./browser/', import.meta.url)

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.ts': 'text/javascript; charset=utf-8'
}

interface Source { file: string, text: string }

let sources: Promise<Source[]> | undefined

/** What the page is made of: its markup, its style sheet and the modules of its script, which browsers load as they are. Read once. */
export async function readAssets (title: string): Promise<Asset[]> {
  sources ??= readSources()
  return (await sources).map(source => toAsset(source, title))
}

async function readSources (): Promise<Source[]> {
  const files = (await readdir(folder)).filter(file => extname(file) in types).sort()
  return await Promise.all(files.map(async file => ({ file, text: await readFile(new URL(file, folder), 'utf8') })))
}

function toAsset ({ file, text }: Source, title: string): Asset {
  const extension = extname(file)
  let served: ReturnType<Asset['read']> | undefined
  return {
    path: file === 'page.html' ? '' : file.replace(/\.ts$/, '.js'),
    type: types[extension]!,
    read: () => (served ??= serve())
  }

  async function serve () {
    let body = text
    if (extension === '.html') body = text.replaceAll('{{title}}', () => escapeHtml(title))
    if (extension === '.ts') body = await compile(text)
    return { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` }
  }
}

/** The package has the modules compiled. This is for those who run its sources, and have its development dependencies. It takes its time, so not before someone asks. */
async function compile (source: string): Promise<string> {
  const { default: ts } = await import('typescript')
  return ts.transpile(source, {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ES2022,
    verbatimModuleSyntax: true,
    rewriteRelativeImportExtensions: true
  })
}

function escapeHtml (text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
