import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'

const MAX_BYTES = 1024 * 1024

/**
 * Reads a small text file that a setting names.
 * @throws {Error} what `readSmallFile` throws
 */
export function readSettingFile(path: string): string {
  return readSmallFile(path).bytes.toString('utf8')
}

export interface SmallFile {
  readonly bytes: Buffer
  /** Its type and permissions. */
  readonly mode: number
}

/**
 * Reads a file that may not be text. Refuses a pipe or a device, which could block the process or never end.
 * @throws {Error}
 */
export function readSmallFile(path: string): SmallFile {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stats = fstatSync(file)
    if (!stats.isFile()) throw new Error('not a regular file')
    if (stats.size > MAX_BYTES) throw new Error(`larger than ${MAX_BYTES} bytes`)
    return { bytes: readFileSync(file), mode: stats.mode }
  } finally {
    closeSync(file)
  }
}
