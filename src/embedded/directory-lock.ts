import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, existsSync, linkSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { dirname, join, relative, resolve } from 'node:path'
import { CannotStart } from '../processes/supervised-process.ts'

const OWNER_ONLY = 0o600

/** The socket of the process that holds the directory. */
const LOCK = 'lock'
/** The same socket, by the number of processes that held the directory so far. */
const NUMBERED_LOCK = /^lock\.(\d+)$/

/** What connecting to a socket says when nobody listens on it: it was left by a process that was killed. */
const NOBODY_LISTENS = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTSOCK'])

/**
 * Takes a directory for this process alone, until the process ends, however it ends: a Unix socket in it that somebody listens
 * on. To take it over from a process that was killed is to create the lock with the next number, which only one process can.
 * @param told to whoever asks the lock, which only the same user may
 * @throws {CannotStart}
 */
export async function lockDirectory(directory: string, told: string): Promise<void> {
  const own = join(directory, `lock-${randomUUID().slice(0, 8)}`)
  try {
    makeDirectory(directory)
    // Whoever sees one of the lock's names can connect, as it gets them only now.
    await listen(socketPath(own), told)
    if (await claim(directory, own)) return renameSync(own, join(directory, LOCK))
  } catch (err) {
    if (existsSync(own)) rmSync(own)
    throw new CannotStart(`DATA_DIR was ${JSON.stringify(directory)}, which cannot be used: ${(err as Error).message}`)
  }
  rmSync(own)
  throw new CannotStart(`DATA_DIR was ${JSON.stringify(directory)}, which another process uses`)
}

/** Node's own recursion never ends where no directory can be made in one that is there, such as `/proc`. */
function makeDirectory(directory: string): void {
  if (existsSync(directory)) return
  makeDirectory(dirname(resolve(directory)))
  try {
    mkdirSync(directory)
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'EEXIST') throw err
  }
}

/** What the process that holds the directory tells, or `undefined` when none does. */
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

/** Gives the socket the next number. Returns whether the directory is this process's from now on. */
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
  // A process that was slower than others may have taken a number that they had and removed.
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

/** A release before the numbers has only the lock itself. */
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

/** The path of a socket may have 107 bytes only, and that of a data directory more. */
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
