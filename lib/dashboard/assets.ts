import { extname } from 'node:path'
import { readFiles } from './built.ts'
import { etagOf } from './replies.ts'

/** A file of the page, as it is served. */
export interface Asset {
  /** Relative to the plugin's prefix; the page itself is at ''. */
  path: string
  type: string
  body: string
  etag: string
}

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.js': 'text/javascript; charset=utf-8'
}

let files: Promise<Record<string, string>> | undefined

/** The files of the page: its markup, its style sheet and its script. They are read once. */
export async function readAssets (title: string): Promise<Asset[]> {
  files ??= readFiles()
  return Object.entries(await files).map(([file, text]) => toAsset(file, text, title))
}

function toAsset (file: string, text: string, title: string): Asset {
  const isPage = file === 'page.html'
  const body = isPage ? text.replaceAll('{{title}}', () => escapeHtml(title)) : text
  return { path: isPage ? '' : file, type: types[extname(file)]!, body, etag: etagOf(body) }
}

function escapeHtml (text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
