import { createReadStream, fstatSync } from 'node:fs'
import { OperatorError } from '../lib/operator-error.ts'
import { TerminalProgress } from './progress.ts'

/** Bytes that are read at once: a read of a file has a fixed cost, and the default is 64 KB. */
const READ_BYTES = 262_144

class UnreadableFile extends OperatorError {}

/**
 * The bytes of a file, or of standard input for `-`.
 * @throws {UnreadableFile}
 */
export async function* readInput(path: string, progress: TerminalProgress): AsyncGenerator<Buffer> {
  try {
    for await (const bytes of path === '-' ? standardInput() : createReadStream(path, { highWaterMark: READ_BYTES })) {
      yield bytes as Buffer
      progress.advanced((bytes as Buffer).length)
    }
  } catch (err) {
    throw isSystemError(err) ? new UnreadableFile(`${path} cannot be read: ${err.message}`) : err
  }
}

/**
 * The whole of a file, or of standard input for `-`; `undefined` if that is more than `maxBytes`.
 * @throws {UnreadableFile}
 */
export async function readWhole(path: string, maxBytes: number): Promise<Buffer | undefined> {
  const progress = new TerminalProgress('bytes read')
  const parts: Buffer[] = []
  let size = 0
  try {
    for await (const part of readInput(path, progress)) {
      size += part.length
      if (size > maxBytes) return undefined
      parts.push(part)
    }
    return Buffer.concat(parts)
  } finally {
    progress.clear()
  }
}

/** Node.js would take a directory for an empty file. @throws {UnreadableFile} */
function standardInput(): NodeJS.ReadStream {
  if (fstatSync(0).isDirectory()) throw new UnreadableFile('standard input cannot be read: it is a directory')
  return process.stdin
}

function isSystemError(err: unknown): err is Error {
  return err instanceof Error && 'syscall' in err
}
