// Run by `npm run build`: writes the page's files and the package's version into the built package. See built.ts.
import { writeFileSync } from 'node:fs'
import { readFiles, version } from './built.ts'

const files = await readFiles({ minify: true })

writeFileSync(new URL('../../dist/lib/dashboard/built.js', import.meta.url), `// Made by npm run build.
export const version = ${JSON.stringify(version)}

const files = ${JSON.stringify(files, null, 2)}

export async function readFiles () {
  return files
}
`)
