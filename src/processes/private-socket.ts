import { mkdtempSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { makeDirectory } from '../lib/make-directory.ts'
import { OperatorError } from '../lib/operator-error.ts'
import { MAX_SOCKET_PATH_BYTES } from '../lib/socket-path.ts'

/** Begins the name of the directory. */
const PREFIX = 'throttler-store-'
/** Name of the socket in it. */
const SOCKET = 'socket'
/** Number of random characters that `mkdtemp` appends. */
const RANDOM_CHARACTERS = 6

/**
 * Creates a directory that only this user can enter, and returns the path for a socket in it.
 * @param dataDir where the directory is created if that for temporary files is read-only or has too long a path
 * @throws {OperatorError}
 */
export function createPrivateSocket(dataDir: string, temporary = tmpdir()): string {
  const reasons: string[] = []
  for (const parent of [temporary, dataDir]) {
    try {
      // Otherwise the store creates it later.
      if (parent === dataDir) makeDirectory(dataDir)
      return join(createPrivateDirectory(resolve(parent)), SOCKET)
    } catch (err) {
      reasons.push((err as Error).message)
    }
  }
  throw new OperatorError(
    `the embedded store needs a directory for its socket, in TMPDIR or DATA_DIR: ${reasons.join('; ')}`,
  )
}

function createPrivateDirectory(parent: string): string {
  const prefix = join(parent, PREFIX)
  const bytes = Buffer.byteLength(join(prefix, SOCKET)) + RANDOM_CHARACTERS
  if (bytes <= MAX_SOCKET_PATH_BYTES) return mkdtempSync(prefix)
  throw new OperatorError(
    `a socket in ${parent} has a path of ${bytes} bytes; at most ${MAX_SOCKET_PATH_BYTES} are allowed`,
  )
}

/** Removes the socket and its directory, unless that has already been done. */
export function removePrivateSocket(path: string): void {
  rmSync(path, { force: true })
  try {
    rmdirSync(dirname(path))
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ENOENT') throw err
  }
}
