/**
 * The whole program compiled once more with the SharedWords seam taken out: every call on a SharedWords or AtomicWords,
 * found by the type checker, becomes the Atomics call or the plain access it stands for, on the Int32Array itself.
 *
 * The array takes the place of the object wherever kernel code keeps one, so a direct access costs what hand-written
 * code would: one field for the array, no call that the compiler must see through. Only `wait`, which sleeps and looks
 * whether the machine has halted, stays a function.
 */
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ts from 'typescript'
import { projectRoot } from '../support/sources.js'

const SEAM = 'lib/sync/shared-words.ts'
const ATOMICS: Readonly<Record<string, string>> = {
  load: 'load',
  store: 'store',
  exchange: 'exchange',
  cas: 'compareExchange',
  add: 'add',
  or: 'or',
  and: 'and',
  notify: 'notify',
}

/** Appended to the compiled seam: what makes the array, and what sleeps on it. */
const RUNTIME = `
const halts = new WeakMap()
globalThis.faultlineDirectWords = (buffer, halt) => {
  const words = new Int32Array(buffer)
  if (halt !== undefined) halts.set(words, halt)
  return words
}
globalThis.faultlineDirectWait = (words, at, expected, timeoutMs = Infinity) => {
  for (let left = timeoutMs; ; left -= HALT_CHECK_MS) {
    if (Atomics.wait(words, at, expected, Math.min(left, HALT_CHECK_MS)) !== 'timed-out') return true
    const halt = halts.get(words)
    if (halt !== undefined && Atomics.load(words, halt.at) === halt.value) throw halt.error()
    if (left <= HALT_CHECK_MS) return false
  }
}
`

export interface DirectBuild {
  /** Holds dist/ of the program without the seam, and what it needs around it. The caller removes it. */
  readonly directory: string
  /** Calls that were replaced. */
  readonly replaced: number
}

/** Errors: Error when the sources do not compile. */
export function buildDirect(): DirectBuild {
  const directory = mkdtempSync(join(process.env['FAULTLINE_BENCH_DIR'] ?? tmpdir(), 'faultline-direct-'))
  for (const name of ['binding.gyp', 'build', 'node_modules', 'package.json']) {
    symlinkSync(join(projectRoot, name), join(directory, name))
  }
  mkdirSync(join(directory, 'dist'))
  const { config } = ts.readConfigFile(join(projectRoot, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
    config: unknown
  }
  const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, projectRoot)
  const { tsBuildInfoFile: _, ...rest } = options
  const outDir = join(directory, 'dist')
  const program = ts.createProgram(fileNames, { ...rest, outDir, incremental: false, declaration: false })
  let replaced = 0
  const emitted = program.emit(undefined, undefined, undefined, false, {
    before: [replaceCalls(program.getTypeChecker(), () => replaced++)],
  })
  if (emitted.emitSkipped) throw new Error('the program without the seam was not emitted')
  const seam = join(outDir, SEAM.replace(/\.ts$/, '.js'))
  writeFileSync(seam, readFileSync(seam, 'utf8') + RUNTIME)
  return { directory, replaced }
}

function replaceCalls(checker: ts.TypeChecker, onReplace: () => void): ts.TransformerFactory<ts.SourceFile> {
  const isSeam = (node: ts.Expression): boolean => {
    const name = checker.getTypeAtLocation(node).getSymbol()?.getName()
    return name === 'SharedWords' || name === 'AtomicWords'
  }
  return (context) => (file) => {
    if (file.fileName.endsWith(SEAM)) return file
    const visit = (node: ts.Node): ts.Node => {
      const visited = ts.visitEachChild(node, visit, context)
      if (ts.isNewExpression(visited) && visited.expression.getText(file) === 'AtomicWords') {
        return globalCall('faultlineDirectWords', [...(visited.arguments ?? [])])
      }
      if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return visited
      if (!isSeam(node.expression.expression)) return visited
      onReplace()
      const call = visited as ts.CallExpression
      const callee = call.expression as ts.PropertyAccessExpression
      return directCall(callee.expression, callee.name.text, [...call.arguments])
    }
    return ts.visitNode(file, visit) as ts.SourceFile
  }
}

function directCall(words: ts.Expression, method: string, args: ts.Expression[]): ts.Expression {
  const { factory } = ts
  const [at, value] = args as [ts.Expression, ts.Expression]
  if (method === 'get') return factory.createElementAccessExpression(words, at)
  if (method === 'set') {
    return factory.createParenthesizedExpression(
      factory.createAssignment(factory.createElementAccessExpression(words, at), value),
    )
  }
  if (method === 'wait') return globalCall('faultlineDirectWait', [words, ...args])
  const name = ATOMICS[method]
  if (name === undefined) throw new Error(`SharedWords.${method} has no direct form here: add it`)
  const target = factory.createPropertyAccessExpression(factory.createIdentifier('Atomics'), name)
  return factory.createCallExpression(target, undefined, [words, ...args])
}

function globalCall(name: string, args: ts.Expression[]): ts.Expression {
  const { factory } = ts
  const target = factory.createPropertyAccessExpression(factory.createIdentifier('globalThis'), name)
  return factory.createCallExpression(target, undefined, args)
}
