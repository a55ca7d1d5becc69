// Reads the imports of the package's sources: see "Layout" in CONTRIBUTING.md.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The wings, each of which may import from itself and from those before it. */
const wings = ['types', 'core', 'cluster', 'dashboard'] as const

const files = ['index.ts', ...['lib', 'types'].flatMap(sourcesIn)].sort()
const imports = new Map(files.map(file => [file, importsOf(file)]))

function sourcesIn (folder: string): string[] {
  const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
  return names.filter(name => name.endsWith('.ts')).map(name => join(folder, name))
}

function sourceOf (file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

/** The files that a file imports, be it for their types alone. */
function importsOf (file: string): string[] {
  const specifiers = sourceOf(file).matchAll(/\b(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g)
  return [...specifiers].map(([, specifier]) => join(dirname(file), specifier!))
}

function wingOf (file: string): typeof wings[number] {
  if (file === 'index.ts') return 'core'
  const [top, folder] = file.split('/')
  return wings.find(wing => wing === (top === 'types' ? top : folder))!
}

/** The first circle of imports that is reached from a file. */
function circleFrom (file: string, path: string[] = [], finished = new Set<string>()): string[] | undefined {
  if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
  if (finished.has(file)) return undefined
  for (const imported of imports.get(file) ?? []) {
    const circle = circleFrom(imported, [...path, file], finished)
    if (circle !== undefined) return circle
  }
  finished.add(file)
  return undefined
}

t.test('every file belongs to a wing', async t => {
  t.strictSame(files.filter(file => wingOf(file) === undefined), [])
})

t.test('imports go from the dashboard to the cluster to the core to the types', async t => {
  const backwards = files.flatMap(file => imports.get(file)!
    .filter(imported => files.includes(imported) && wings.indexOf(wingOf(imported)) > wings.indexOf(wingOf(file)))
    .map(imported => `${file} imports ${imported}`))
  t.strictSame(backwards, [])
})

t.test('no file imports from outside the package\'s sources', async t => {
  const outside = files.flatMap(file => imports.get(file)!
    .filter(imported => !files.includes(imported))
    .map(imported => `${file} imports ${imported}`))
  t.strictSame(outside, [])
})

t.test('no import goes in a circle, types included', async t => {
  const circles = files.map(file => circleFrom(file)?.join(' → ')).filter(circle => circle !== undefined)
  t.strictSame([...new Set(circles)], [])
})

t.test('a file of fewer than ten lines is used by more than one file', async t => {
  const isShort = (file: string) => sourceOf(file).trim().split('\n').length < 10
  const users = (file: string) => files.filter(user => imports.get(user)!.includes(file))
  t.strictSame(files.filter(file => isShort(file) && users(file).length === 1), [])
})
