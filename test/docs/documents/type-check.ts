import ts from 'typescript'

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
  module: ts.ModuleKind.NodeNext,
  types: ['node'],
  customConditions: ['fastify-tasks-source'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  allowImportingTsExtensions: true,
  skipLibCheck: true,
  noEmit: true
}

// Each program is checked by itself, for what it adds to Fastify's types must not be there for the next. The files are read once.
const host = ts.createCompilerHost(options)
const { getSourceFile } = host
const sourceFiles = new Map<string, ts.SourceFile | undefined>()
host.getSourceFile = (name, ...rest) => {
  if (!sourceFiles.has(name)) sourceFiles.set(name, getSourceFile.call(host, name, ...rest))
  return sourceFiles.get(name)
}
let previous: ts.Program | undefined

/** What the compiler has to say on a file, strictly, with the numbers of the lines. */
export function typeErrorsOf (file: string): string[] {
  const program = ts.createProgram({ rootNames: [file], options, host, ...previous && { oldProgram: previous } })
  previous = program
  const source = program.getSourceFile(file)
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(({ messageText, start }) => {
    const line = source === undefined ? 0 : source.getLineAndCharacterOfPosition(start ?? 0).line + 1
    return `line ${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
  })
}
