/** The project's own source text and import graph, for tests about the project itself (test/tidy.test.ts). */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export interface Source {
  /** From the project's root, with forward slashes: 'lib/tree/entry.ts'. */
  readonly path: string
  readonly text: string
  readonly lines: readonly string[]
}

export interface Import {
  /** As written: 'node:fs', '../assert.js'. */
  readonly specifier: string
  /** The imported file of this project, or undefined for a package or a `node:` module. */
  readonly path: string | undefined
  /** Names between the braces. */
  readonly names: readonly string[]
  readonly line: number
}

export interface FunctionSpan {
  readonly name: string
  readonly node: ts.Node
  readonly line: number
  readonly lineCount: number
}

export const projectRoot = findRoot()

/** Return: all files below a folder whose names end so, sorted; none when the folder is missing. */
export function readSources(folder: string, ...endings: string[]): Source[] {
  const absolute = join(projectRoot, folder)
  if (!existsSync(absolute)) return []
  return readdirSync(absolute, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile() && endings.some((ending) => file.name.endsWith(ending)))
    .map((file) => relative(projectRoot, join(file.parentPath, file.name)))
    .sort()
    .map(readSource)
}

export function readSource(path: string): Source {
  const text = readFileSync(join(projectRoot, path), 'utf8')
  return { path, text, lines: text.replace(/\n$/, '').split('\n') }
}

/** Return: the syntax tree of a file, with parents. */
export function parse(source: Source): ts.SourceFile {
  return ts.createSourceFile(source.path, source.text, ts.ScriptTarget.Latest, true)
}

/** Visit a node and all below it. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node)
  ts.forEachChild(node, (child) => walk(child, visit))
}

/** Return: every import of a file: static, dynamic, `import('x').Type`, and workers named by `new URL('x.js', …)`. */
export function importsOf(source: Source): Import[] {
  const file = parse(source)
  const found: Import[] = []
  walk(file, (node) => {
    const specifier = specifierOf(node)
    if (specifier === undefined) return
    found.push({
      specifier: specifier.text,
      path: specifier.text.startsWith('.') ? resolveSource(source.path, specifier.text) : undefined,
      names: ts.isImportDeclaration(node) || ts.isExportDeclaration(node) ? namesOf(node) : [],
      line: file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1,
    })
  })
  return found
}

function specifierOf(node: ts.Node): ts.StringLiteral | undefined {
  let specifier: ts.Node | undefined
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) specifier = node.moduleSpecifier
  else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) specifier = node.argument.literal
  else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    specifier = node.arguments[0]
  } else if (ts.isNewExpression(node) && node.expression.getText() === 'URL') {
    const first = node.arguments?.[0]
    if (first !== undefined && ts.isStringLiteral(first) && first.text.endsWith('.js')) specifier = first
  }
  return specifier !== undefined && ts.isStringLiteral(specifier) ? specifier : undefined
}

function namesOf(node: ts.ImportDeclaration | ts.ExportDeclaration): string[] {
  const bindings = ts.isImportDeclaration(node) ? node.importClause?.namedBindings : node.exportClause
  if (bindings === undefined || !(ts.isNamedImports(bindings) || ts.isNamedExports(bindings))) return []
  return bindings.elements.map((element) => (element.propertyName ?? element.name).text)
}

/** './x.js' as written in a source file names the compiled twin of './x.ts'. */
function resolveSource(from: string, specifier: string): string {
  return normalize(join(dirname(from), specifier)).replace(/\.js$/, '.ts')
}

/** Return: every function of a file with its length in lines, from its first word to its closing brace. */
export function functionsOf(source: Source): FunctionSpan[] {
  const file = parse(source)
  const spans: FunctionSpan[] = []
  walk(file, (node) => {
    if (!ts.isFunctionLike(node) || !('body' in node) || node.body === undefined) return
    const first = file.getLineAndCharacterOfPosition(node.getStart(file)).line
    const last = file.getLineAndCharacterOfPosition(node.end).line
    const name = node.name?.getText(file) ?? (ts.isConstructorDeclaration(node) ? 'constructor' : 'a function')
    spans.push({ name, node, line: first + 1, lineCount: last - first + 1 })
  })
  return spans
}

/** The nearest folder above this file with a package.json: the same from the sources and from dist/. */
function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder)
  return folder
}
