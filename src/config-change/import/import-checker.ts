import { Problem } from '../../lib/errors.ts'
import { JsonBounds } from '../../lib/json-bounds.ts'
import { type ImportedPolicy, parseImportLine } from './import-line.ts'
import { importInvalid, type Line } from './ndjson.ts'

/** Members and items in a line; a policy has far fewer. */
const MAX_ELEMENTS = 1_000

/** Validates a file line by line: each line is a policy, and no key occurs twice. */
export class ImportChecker {
  readonly #seen = new Map<string, number>()

  /** @throws {Problem} `import-invalid`, whose cause is the fault of the line */
  check({ number, bytes }: Line): ImportedPolicy {
    const imported = parse(number, bytes)
    const earlier = this.#seen.get(imported.key)
    if (earlier !== undefined) throw importInvalid(number, `the key "${imported.key}" is already on line ${earlier}`)
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
    if (err instanceof SyntaxError) throw importInvalid(line, `it is not valid JSON: ${err.message}`)
    throw err
  }
}
