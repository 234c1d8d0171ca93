import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, existsSync, linkSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { dirname, join, relative, resolve } from 'node:path'
import { CannotStart } from '../processes/supervised-process.ts'

const OWNER_ONLY = 0o600

/** The socket of the process that holds the directory. */
const LOCK = 'lock'
/** The same socket, numbered by how many processes have held the directory. */
const NUMBERED_LOCK = /^lock\.(\d+)$/

/** Errors of connecting to a socket that nobody listens on: its process was killed. */
const NOBODY_LISTENS = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTSOCK'])

/**
 * Locks a directory for as long as this process runs. The lock is a Unix socket in the directory that the process listens on. To
 * take over from a process that was killed, another creates the lock with the next number; only one process can.
 * @param told the text that the lock sends to processes that connect; only the same user can
 * @throws {CannotStart}
 */
export async function lockDirectory(directory: string, told: string): Promise<void> {
  const own = join(directory, `lock-${randomUUID().slice(0, 8)}`)
  try {
    makeDirectory(directory)
    // The lock gets its names only now, so every process that sees one can connect.
    await listen(socketPath(own), told)
    if (await claim(directory, own)) return renameSync(own, join(directory, LOCK))
  } catch (err) {
    if (existsSync(own)) rmSync(own)
    throw new CannotStart(`DATA_DIR was ${JSON.stringify(directory)}, which cannot be used: ${(err as Error).message}`)
  }
  rmSync(own)
  throw new CannotStart(`DATA_DIR was ${JSON.stringify(directory)}, which another process uses`)
}

/** Node's own recursive option never returns for a path in which no directory can be created, such as `/proc`. */
function makeDirectory(directory: string): void {
  if (existsSync(directory)) return
  makeDirectory(dirname(resolve(directory)))
  try {
    mkdirSync(directory)
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'EEXIST') throw err
  }
}

/** The text of the process that holds the directory, or `undefined` if none does. */
export function askLock(directory: string): Promise<string | undefined> {
  return new Promise(resolve => {
    const socket = connect(socketPath(join(directory, LOCK))).setEncoding('utf8')
    let told = ''
    socket.on('data', text => {
      told += text
    })
    socket.once('end', () => resolve(told))
    socket.once('error', () => resolve(undefined))
  })
}

/** Claims the next number for the socket. Returns whether this process now holds the directory. */
async function claim(directory: string, own: string): Promise<boolean> {
  const [last = 0, ...earlier] = numbersIn(directory)
  if (await isHeld(directory, last)) return false
  const next = join(directory, `${LOCK}.${last + 1}`)
  try {
    linkSync(own, next)
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'EEXIST') throw err
    return claim(directory, own)
  }
  // A slow process may have claimed a number that others have already used and removed.
  if (numbersIn(directory)[0] !== last + 1) {
    rmSync(next, { force: true })
    return claim(directory, own)
  }
  for (const number of [last, ...earlier]) rmSync(join(directory, `${LOCK}.${number}`), { force: true })
  return true
}

/** The highest first. */
function numbersIn(directory: string): number[] {
  const numbers = readdirSync(directory).flatMap(name => NUMBERED_LOCK.exec(name)?.[1] ?? [])
  return numbers.map(Number).sort((a, b) => b - a)
}

/** Releases without numbers have only the lock itself. */
async function isHeld(directory: string, number: number): Promise<boolean> {
  const names = [LOCK, `${LOCK}.${number}`]
  const held = await Promise.all(names.map(name => isListenedOn(socketPath(join(directory, name)))))
  return held.includes(true)
}

function isListenedOn(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.resume().end().unref()
      resolve(true)
    })
    socket.on('error', (err: NodeJS.ErrnoException) => {
      if (NOBODY_LISTENS.has(err.code ?? '')) resolve(false)
      else reject(err)
    })
  })
}

/** The path of a socket is limited to 107 bytes; that of a data directory can be longer. */
function socketPath(path: string): string {
  const fromHere = relative('', path)
  return fromHere.length < path.length ? fromHere : path
}

async function listen(path: string, told: string): Promise<void> {
  const server = createServer(socket => {
    socket.on('error', () => undefined)
    socket.end(told)
  })
  server.listen(path)
  await once(server, 'listening')
  chmodSync(path, OWNER_ONLY)
  server.unref()
}
