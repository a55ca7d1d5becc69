import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { extname } from 'node:path'

/** A file of the page, as it is served. */
export interface Asset {
  /** Relative to the plugin's prefix; the page itself is at ''. */
  path: string
  type: string
  body: string
  etag: string
}

const folder = new URL('./browser/', import.meta.url)

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.ts': 'text/javascript; charset=utf-8'
}

/** Reads what the page is made of: its markup, its style sheet and the modules of its script, which browsers load as they are. */
export async function readAssets (title: string): Promise<Asset[]> {
  const files = (await readdir(folder)).filter(file => extname(file) in types).sort()
  return await Promise.all(files.map(file => readAsset(file, title)))
}

async function readAsset (file: string, title: string): Promise<Asset> {
  const extension = extname(file)
  let body = await readFile(new URL(file, folder), 'utf8')
  if (extension === '.html') body = body.replaceAll('{{title}}', () => escapeHtml(title))
  if (extension === '.ts') body = await compile(body)
  return {
    path: file === 'page.html' ? '' : file.replace(/\.ts$/, '.js'),
    type: types[extension]!,
    body,
    etag: `"${createHash('sha256').update(body).digest('base64url')}"`
  }
}

/** The package has the modules compiled. This is for those who run its sources, and have its development dependencies. */
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
