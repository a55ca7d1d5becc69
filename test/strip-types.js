// Runs TypeScript with its types blanked out: every line and column stays where it is, so that stacks and coverage need no
// source maps, and no compiler has to be loaded. For `node --import`; tap gives it to the processes of the tests.
import * as module from 'node:module'
import { fileURLToPath } from 'node:url'
import swc from '@swc/wasm-typescript'

const isOld = parseInt(process.versions.node) < 24 // than `await using`

function toJavaScript (source, url) {
  if (isOld && /\bawait using\b/.test(source)) return compile(source, fileURLToPath(url))
  return swc.transformSync(source, { filename: url, mode: 'strip-only' }).code
}

function compile (source, fileName) {
  const ts = module.createRequire(import.meta.url)('typescript') // slow, and hardly ever needed
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, inlineSourceMap: true }
  return ts.transpileModule(source, { fileName, compilerOptions }).outputText
}

/** What Node is to run for a module. A `load` hook, for either kind of hooks. */
export function load (url, context, nextLoad) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return nextLoad(url, context)
  const strip = loaded => ({ ...loaded, source: toJavaScript(String(loaded.source), url) })
  const loaded = nextLoad(url, { ...context, format: 'module' })
  return loaded instanceof Promise ? loaded.then(strip) : strip(loaded)
}

// Node 26 warns of the old kind of hooks, which run in a thread; the new kind is not sound before Node 25.
if (parseInt(process.versions.node) >= 25) module.registerHooks({ load })
else if (!import.meta.url.endsWith('?hooks')) module.register(`${import.meta.url}?hooks`)
