import { Problem } from '../../lib/errors.ts'
import { JsonBounds } from '../../lib/json-bounds.ts'
import { type ImportedPolicy, parseImportLine } from './import-line.ts'
import { importInvalid, type Line } from './ndjson.ts'

/** Members and items of a line, far more than a policy has. */
const MAX_ELEMENTS = 1_000

/** Checks a file line by line: each is a policy, and no key stands on two. */
export class ImportChecker {
  readonly #seen = new Map<string, number>()

  /** @throws {Problem} `import-invalid`, whose cause says what is wrong with the line */
  check({ number, bytes }: Line): ImportedPolicy {
    const imported = parse(number, bytes)
    const earlier = this.#seen.get(imported.key)
    if (earlier !== undefined)
      throw importInvalid(number, `the key "${imported.key}" stands on line ${earlier} already`)
    this.#seen.set(imported.key, number)
    return imported
  }
}

function parse(line: number, bytes: Buffer): ImportedPolicy {
  try {
    const problem = new JsonBounds(MAX_ELEMENTS).problemOf(bytes)
    if (problem !== undefined) throw problem
    return parseImportLine(bytes)
  } catch (err) {
    if (err instanceof Problem) throw importInvalid(line, err.detail, err.members)
    if (err instanceof SyntaxError) throw importInvalid(line, `it is no JSON: ${err.message}`)
    throw err
  }
}
