// The hooks of strip-types.js. They keep each stripped file in a cache, by its content. Without it each process of the tests
// would load the compiler, which takes longer than the rest of its start.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { threadId } from 'node:worker_threads'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)
const cache = new URL('../node_modules/.cache/strip-types/', import.meta.url)
const lacksAwaitUsing = parseInt(process.versions.node) < 24

function strip (source, url) {
  if (lacksAwaitUsing && /\bawait using\b/.test(source)) return compile(source, fileURLToPath(url))
  return require('@swc/wasm-typescript').transformSync(source, { filename: url, mode: 'strip-only' }).code
}

function compile (source, fileName) {
  const ts = require('typescript')
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, inlineSourceMap: true }
  return ts.transpileModule(source, { fileName, compilerOptions }).outputText
}

function toJavaScript (source, url) {
  const hash = createHash('sha1').update(`${lacksAwaitUsing} ${url}\n${source}`).digest('hex')
  const file = new URL(`${hash}.js`, cache)
  try {
    return readFileSync(file, 'utf8')
  } catch {
    const code = strip(source, url)
    const part = new URL(`${hash}.${process.pid}.${threadId}`, cache)
    mkdirSync(cache, { recursive: true })
    writeFileSync(part, code)
    renameSync(part, file) // no other process may read half of it
    return code
  }
}

/** What Node is to run for a module. A `load` hook, for either kind of hooks. */
export function load (url, context, nextLoad) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return nextLoad(url, context)
  const stripped = loaded => ({ ...loaded, source: toJavaScript(String(loaded.source), url) })
  const loaded = nextLoad(url, { ...context, format: 'module' })
  return loaded instanceof Promise ? loaded.then(stripped) : stripped(loaded)
}
