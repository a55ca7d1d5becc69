// The page's files and the package's version. This module is used when the sources run: it reads the files and needs esbuild, a
// development dependency. In the built package, build.ts replaces it by a module with the same exports, which has them as
// constants. So the package reads no file at run time and can be bundled.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = new URL('./browser/', import.meta.url)

export const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

/** The page's files by name. `main.js` has all modules of its script. */
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
