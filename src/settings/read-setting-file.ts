import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'

const MAX_BYTES = 1024 * 1024

/**
 * Reads a small text file that a setting names. Refuses a pipe or a device, which could block the start or never end.
 * @throws {Error}
 */
export function readSettingFile(path: string): string {
  return readSettingBytes(path).toString('utf8')
}

/**
 * The same for a file that may not be text.
 * @throws {Error}
 */
export function readSettingBytes(path: string): Buffer {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stats = fstatSync(file)
    if (!stats.isFile()) throw new Error('not a regular file')
    if (stats.size > MAX_BYTES) throw new Error(`larger than ${MAX_BYTES} bytes`)
    return readFileSync(file)
  } finally {
    closeSync(file)
  }
}
