import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  fstatSync,
  linkSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
} from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { dirname, join, relative, resolve } from 'node:path'
import { makeDirectory } from '../lib/make-directory.ts'
import { OperatorError } from '../lib/operator-error.ts'
import { MAX_SOCKET_PATH_BYTES } from '../lib/socket-path.ts'
import { CannotStart } from '../processes/supervised-process.ts'

/** Lets only the owner connect to a socket that is created. */
const OWNER_ONLY_MASK = 0o177

/** The socket of the process that holds the directory. */
const LOCK = 'lock'
/** The same socket, numbered by how many processes have held the directory. */
const NUMBERED_LOCK = /^lock\.(\d+)$/

/** Errors of connecting to a socket without a listener: its process was killed. */
const NO_LISTENER_CODES = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTSOCK'])

/**
 * Locks a directory for as long as this process runs. The lock is a Unix socket in the directory that the process listens on. To
 * take over from a process that was killed, another creates the lock with the next number; only one process can.
 * @param told the text that the lock sends to processes that connect; only the same user can
 * @throws {CannotStart}
 */
export async function lockDirectory(directory: string, told: string): Promise<DirectoryLock> {
  const lock = new DirectoryLock(directory, told)
  await lock.take()
  return lock
}

/** Open files of a held directory. No other file can get their inode numbers. */
interface Held {
  /** The directory itself. */
  readonly fd: number
  readonly server: Server
}

/** A directory that this process has locked. If it or its lock is removed, another process can lock the same path. */
export class DirectoryLock {
  readonly #directory: string
  readonly #told: string
  /** The name of the socket before it becomes the lock. */
  readonly #own = `lock-${randomUUID().slice(0, 8)}`
  #held: Held | undefined
  #lock: FileId | undefined
  #device: number | undefined

  constructor(directory: string, told: string) {
    this.#directory = directory
    this.#told = told
  }

  /** @throws {CannotStart} */
  async take(): Promise<void> {
    const directory = this.#directory
    const own = join(directory, this.#own)
    try {
      makeDirectory(directory)
      this.#held = { fd: openSync(directory, 'r'), server: createServer() }
      // The lock gets its names only now, so every process that sees one can connect.
      await listen(this.#held.server, socketPath(own), this.#told)
      if (await claim(directory, own)) {
        renameSync(own, this.#path)
        this.#lock = idOf(this.#path)
        this.#device = fstatSync(this.#held.fd).dev
        return
      }
    } catch (err) {
      this.#giveUp(own)
      throw new CannotStart(
        `DATA_DIR was ${JSON.stringify(directory)}, which cannot be used: ${(err as Error).message}`,
      )
    }
    this.#giveUp(own)
    throw this.#inUse
  }

  #giveUp(own: string): void {
    this.release()
    if (existsSync(own)) rmSync(own)
  }

  get #path(): string {
    return join(this.#directory, LOCK)
  }

  get #inUse(): CannotStart {
    return new CannotStart(`DATA_DIR was ${JSON.stringify(this.#directory)}, which another process uses`)
  }

  /** Whether the directory is still the one that was locked, and the lock still this process's. */
  get isHeld(): boolean {
    return (
      this.#held !== undefined &&
      isSameFile(fstatSync(this.#held.fd), idOf(this.#directory)) &&
      isSameFile(this.#lock, idOf(this.#path))
    )
  }

  /** @throws if it is not held */
  requireHeld(): void {
    if (!this.isHeld) throw new Error(`${this.#directory} or the lock in it was removed or replaced`)
  }

  /** Releases the remains of a lost lock. */
  release(): void {
    if (this.#held === undefined) return
    this.#held.server.close()
    closeSync(this.#held.fd)
    this.#held = undefined
  }

  /**
   * @throws if the lost directory must not be taken again: another process holds it, or its volume was unmounted and would come back
   * without what is written meanwhile
   */
  async requireFree(): Promise<void> {
    const directory = this.#directory
    if (deviceOf(directory) !== this.#device) {
      throw new Error(`${directory} is on another file system than before; restart the service to use it`)
    }
    if (existsSync(directory) && (await isListenedTo(directory, numbersIn(directory)[0] ?? 0))) throw this.#inUse
  }
}

type FileId = Pick<Stats, 'ino' | 'dev'>

function idOf(path: string): FileId | undefined {
  return statSync(path, { throwIfNoEntry: false })
}

/** The file system of a directory, or of the place where it would be created. */
function deviceOf(path: string): number {
  return idOf(path)?.dev ?? deviceOf(dirname(resolve(path)))
}

function isSameFile(a: FileId | undefined, b: FileId | undefined): boolean {
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev
}

/** The text of the process that holds the directory, or `undefined` if none does. Rejects if this user may not ask it. */
export function askLock(directory: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath(join(directory, LOCK))).setEncoding('utf8')
    let told = ''
    socket.on('data', text => {
      told += text
    })
    socket.once('end', () => resolve(told))
    socket.once('error', err => (hasNoListener(err) ? resolve(undefined) : reject(err)))
  })
}

function hasNoListener({ code = '' }: NodeJS.ErrnoException): boolean {
  return NO_LISTENER_CODES.has(code)
}

/** Claims the next number for the socket. Returns whether this process now holds the directory. */
async function claim(directory: string, own: string): Promise<boolean> {
  const [last = 0, ...earlier] = numbersIn(directory)
  if (await isListenedTo(directory, last)) return false
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

/** Sorts the highest number first. */
function numbersIn(directory: string): number[] {
  const numbers = readdirSync(directory).flatMap(name => NUMBERED_LOCK.exec(name)?.[1] ?? [])
  return numbers.map(Number).sort((a, b) => b - a)
}

/** Releases without numbers have only the lock itself. */
async function isListenedTo(directory: string, number: number): Promise<boolean> {
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
    socket.on('error', err => (hasNoListener(err) ? resolve(false) : reject(err)))
  })
}

/**
 * The path of a socket, from the working directory if that is shorter. A longer path than a socket may have would be cut silently.
 * @throws {OperatorError} if it is too long either way
 */
function socketPath(path: string): string {
  const fromHere = relative('', path)
  const shorter = fromHere.length < path.length ? fromHere : path
  const bytes = Buffer.byteLength(shorter)
  if (bytes <= MAX_SOCKET_PATH_BYTES) return shorter
  throw new OperatorError(
    `the path of the socket ${shorter} has ${bytes} bytes; at most ${MAX_SOCKET_PATH_BYTES} are allowed`,
  )
}

async function listen(server: Server, path: string, told: string): Promise<void> {
  server.on('connection', socket => {
    socket.on('error', () => undefined)
    socket.end(told)
  })
  // The socket has its mode as it is created: until a later chmod, another user could connect.
  const usualMask = process.umask(OWNER_ONLY_MASK)
  server.listen(path)
  process.umask(usualMask)
  await once(server, 'listening')
  server.unref()
}
