import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'

const MAX_BYTES = 1024 * 1024

/**
 * Reads a small text file that a setting names. A pipe or a device, which might block the start or never end, is refused.
 * @throws {Error}
 */
export function readSettingFile(path: string): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stats = fstatSync(file)
    if (!stats.isFile()) throw new Error('it is not a regular file')
    if (stats.size > MAX_BYTES) throw new Error(`it has ${stats.size} bytes; at most ${MAX_BYTES} are allowed`)
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}
