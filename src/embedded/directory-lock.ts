import { once } from 'node:events'
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join, relative } from 'node:path'
import { CannotStart } from '../processes/supervised-process.ts'

const OWNER_ONLY = 0o600

/**
 * Takes a directory for this process alone, until the process ends, however it ends: a Unix socket in it that somebody
 * listens on. A socket that nobody answers was left by a process that was killed.
 * @param told to whoever asks the lock, which only the same user may
 */
export async function lockDirectory(directory: string, told: string): Promise<void> {
  mkdirSync(directory, { recursive: true })
  const path = lockPath(directory)
  if ((await ask(path)) !== undefined)
    throw new CannotStart(`DATA_DIR was ${JSON.stringify(directory)}, which another process uses`)
  rmSync(path, { force: true })
  const server = await listen(path, directory, told)
  server.unref()
}

/** What the process that holds the directory tells, or `undefined` when none does. */
export function askLock(directory: string): Promise<string | undefined> {
  return ask(lockPath(directory))
}

/** The path of a socket may have 107 bytes only, and that of a data directory more. */
function lockPath(directory: string): string {
  const path = join(directory, 'lock')
  const fromHere = relative('', path)
  return fromHere.length < path.length ? fromHere : path
}

function ask(path: string): Promise<string | undefined> {
  return new Promise(resolve => {
    const socket = connect(path).setEncoding('utf8')
    let told = ''
    socket.on('data', text => {
      told += text
    })
    socket.once('end', () => resolve(told))
    socket.once('error', () => resolve(undefined))
  })
}

async function listen(path: string, directory: string, told: string): Promise<Server> {
  const server = createServer(socket => {
    socket.on('error', () => undefined)
    socket.end(told)
  })
  server.listen(path)
  try {
    await once(server, 'listening')
    chmodSync(path, OWNER_ONLY)
  } catch (err) {
    throw new CannotStart(`DATA_DIR was ${JSON.stringify(directory)}, which cannot be used: ${(err as Error).message}`)
  }
  return server
}
