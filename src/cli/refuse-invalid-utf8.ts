import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { UsageError } from './command.ts'

/** What Node.js puts in the place of bytes that are not UTF-8. */
const REPLACEMENT = '\uFFFD'

/**
 * Refuses an argument that is not valid UTF-8: with replaced bytes, it would name another key. Only Linux tells the bytes.
 * @throws {UsageError}
 */
export function refuseInvalidUtf8(args: readonly string[]): void {
  const replaced = args.find(arg => arg.includes(REPLACEMENT))
  if (replaced === undefined || process.platform !== 'linux' || isUtf8(readFileSync('/proc/self/cmdline'))) return
  throw new UsageError(`the argument ${JSON.stringify(replaced)} is not valid UTF-8`)
}
