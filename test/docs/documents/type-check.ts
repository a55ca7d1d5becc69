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

function diagnosticsOf (program: ts.Program, source: ts.SourceFile | undefined): ts.Diagnostic[] {
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
}

function messageOf ({ messageText, start, file }: ts.Diagnostic): string {
  const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start ?? 0).line + 1
  return `line ${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
}

/** What the compiler has to say on a file, strictly, with the numbers of the lines. */
export function typeErrorsOf (file: string): string[] {
  const program = ts.createProgram({ rootNames: [file], options, host, ...previous && { oldProgram: previous } })
  previous = program
  return diagnosticsOf(program, program.getSourceFile(file)).map(messageOf)
}

/** What JavaScript cannot write down: the type of a parameter or of an empty array, and what a value of the type `unknown` is. */
function isAnnotationMissing ({ code, messageText }: ts.Diagnostic): boolean {
  const isImplicitAny = code >= 7005 && code <= 7034
  const message = ts.flattenDiagnosticMessageText(messageText, '\n')
  return isImplicitAny || code === 18046 || message.endsWith("does not exist on type 'unknown'.") || message.includes("of type 'unknown' is not assignable")
}

/** As `typeErrorsOf`, for files of JavaScript that are named `.ts`, all in one program: but for the annotations that they lack. */
export function typeErrorsOfJavaScript (files: string[]): string[] {
  const program = ts.createProgram({ rootNames: files, options, host })
  return files.flatMap(file => diagnosticsOf(program, program.getSourceFile(file))).filter(error => !isAnnotationMissing(error)).map(messageOf)
}
