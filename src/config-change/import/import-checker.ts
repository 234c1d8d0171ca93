import { isUtf8 } from 'node:buffer'
import { tooFarFault } from '../../domain/expiry.ts'
import { Problem } from '../../lib/errors.ts'
import { JsonBounds } from '../../lib/json-bounds.ts'
import { refuseExpiry } from '../policy.schema.ts'
import { type ImportedPolicy, parseImportLine } from './import-line.ts'
import { importInvalid, type Line } from './ndjson.ts'

const CARRIAGE_RETURN = 0x0d

/** Members and items in a line; a policy has far fewer. */
const MAX_ELEMENTS = 1_000

/**
 * Validates a file line by line: each line is a policy, and no key occurs twice. If the import prunes, each key has the prefix, and
 * there is a line.
 */
export class ImportChecker {
  readonly #prune: string | undefined
  readonly #now: () => number
  readonly #seen = new Map<string, number>()

  /** @param prune the prefix by which the import prunes, if it does @param now in ms since 1970 */
  constructor(prune?: string, now: () => number = Date.now) {
    this.#prune = prune
    this.#now = now
  }

  /** @throws {Problem} `import-invalid`, whose cause is the fault of the line */
  check({ number, bytes }: Line): ImportedPolicy {
    const imported = parse(number, bytes, this.#now())
    const earlier = this.#seen.get(imported.key)
    if (earlier !== undefined) throw importInvalid(number, `the key "${imported.key}" is already on line ${earlier}`)
    if (this.#prune !== undefined && !imported.key.startsWith(this.#prune)) {
      throw importInvalid(number, `the key "${imported.key}" does not begin with "${this.#prune}", the prefix of prune`)
    }
    this.#seen.set(imported.key, number)
    return imported
  }

  /** The file has ended. @throws {Problem} `validation-failed` */
  end(): void {
    if (this.#prune === undefined || this.#seen.size > 0) return
    const deleted = this.#prune === '' ? 'every policy' : `every policy with the prefix "${this.#prune}"`
    const message = `is not allowed with an empty file, which would delete ${deleted}`
    throw new Problem('validation-failed', `prune ${message}`, {
      members: { errors: [{ path: '/query/prune', message }] },
    })
  }

  /** Whether one of the lines so far names the key. */
  names(key: string): boolean {
    return this.#seen.has(key)
  }
}

/** Lines may end with CRLF. */
function isEmpty(bytes: Buffer): boolean {
  return bytes.length === 0 || (bytes.length === 1 && bytes[0] === CARRIAGE_RETURN)
}

/** A policy that has ended is valid: it counts as what follows it. */
function parse(line: number, bytes: Buffer, nowMs: number): ImportedPolicy {
  if (isEmpty(bytes)) throw importInvalid(line, 'it is empty; every line must be a policy')
  if (!isUtf8(bytes)) throw importInvalid(line, 'it is not valid UTF-8')
  try {
    const problem = new JsonBounds(MAX_ELEMENTS).problemOf(bytes)
    if (problem !== undefined) throw problem
    const imported = parseImportLine(bytes.toString())
    refuseExpiry(imported.policy, expiresAt => tooFarFault(expiresAt, nowMs))
    return imported
  } catch (err) {
    if (err instanceof Problem) throw importInvalid(line, err.detail, err.members)
    if (err instanceof SyntaxError) throw importInvalid(line, `it is not valid JSON: ${err.message}`)
    throw err
  }
}
