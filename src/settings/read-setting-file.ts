import { isUtf8 } from 'node:buffer'
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

const MAX_BYTES = 1024 * 1024

/**
 * Reads a small text file that a setting names.
 * @throws {Error} if it is not valid UTF-8, and what `readSmallFile` throws
 */
export function readSettingFile(path: string): string {
  const { bytes } = readSmallFile(path)
  if (!isUtf8(bytes)) throw new Error('not valid UTF-8')
  return bytes.toString('utf8')
}

export interface SmallFile {
  readonly bytes: Buffer
  /** Its type and permissions. */
  readonly mode: number
}

/**
 * Reads a file that may not be text. Refuses a device, which may never end, and a pipe, which may block the process.
 * @param acceptsPipe reads a pipe too, and waits until its writer has closed it
 * @throws {Error}
 */
export function readSmallFile(path: string, { acceptsPipe = false } = {}): SmallFile {
  const file = openSync(path, acceptsPipe ? constants.O_RDONLY : constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stats = fstatSync(file)
    if (!(stats.isFile() || (acceptsPipe && stats.isFIFO()))) throw new Error('not a regular file')
    return { bytes: readToEnd(file), mode: stats.mode }
  } finally {
    closeSync(file)
  }
}

function readToEnd(file: number): Buffer {
  const bytes = Buffer.allocUnsafe(MAX_BYTES + 1)
  let length = 0
  while (length <= MAX_BYTES) {
    const read = readSync(file, bytes, length, bytes.length - length, null)
    if (read === 0) return bytes.subarray(0, length)
    length += read
  }
  throw new Error(`larger than ${MAX_BYTES} bytes`)
}
