import { once } from 'node:events'
import { mkdirSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join, relative } from 'node:path'
import { CannotStart } from '../processes/supervised-process.ts'

/**
 * Takes a directory for this process alone, until the process ends, however it ends: a Unix socket in it that somebody
 * listens on. A socket that nobody answers was left by a process that was killed.
 */
export async function lockDirectory(directory: string): Promise<void> {
  mkdirSync(directory, { recursive: true })
  // The path of a socket may have 107 bytes only, and that of a data directory more.
  const path = shorter(join(directory, 'lock'))
  if (await isAnswered(path))
    throw new CannotStart(`DATA_DIR was ${JSON.stringify(directory)}, which another process uses`)
  rmSync(path, { force: true })
  const server = await listen(path, directory)
  server.unref()
}

function shorter(path: string): string {
  const fromHere = relative('', path)
  return fromHere.length < path.length ? fromHere : path
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

async function listen(path: string, directory: string): Promise<Server> {
  const server = createServer(socket => socket.destroy())
  server.listen(path)
  try {
    await once(server, 'listening')
  } catch (err) {
    throw new CannotStart(`DATA_DIR was ${JSON.stringify(directory)}, which cannot be used: ${(err as Error).message}`)
  }
  return server
}
