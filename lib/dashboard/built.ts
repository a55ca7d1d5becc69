// The page's files and the package's version. In the package a module with the same exports is in the place of this one
// (build.ts writes it). It has them as constants, so that the package reads no file at run time and can be bundled. This one is
// for those who run the sources. It reads the files, and needs esbuild, a development dependency.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = new URL('./browser/', import.meta.url)

export const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

/** The page's files by name. `main.js` is its script, all its modules in one. */
export async function readFiles (options: { minify?: boolean } = {}): Promise<Record<string, string>> {
  const files: Record<string, string> = {}
  for (const file of readdirSync(folder)) {
    if (/\.(html|css|svg)$/.test(file)) files[file] = readFileSync(new URL(file, folder), 'utf8')
  }
  return { ...files, 'main.js': await joinModules(options) }
}

async function joinModules (options: { minify?: boolean }): Promise<string> {
  const { build } = await import('esbuild')
  const { outputFiles: [script] } = await build({
    entryPoints: [fileURLToPath(new URL('main.ts', folder))],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    charset: 'utf8',
    ...options
  })
  return script!.text
}
