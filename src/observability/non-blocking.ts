import { constants, fstatSync, openSync } from 'node:fs'
import { Socket } from 'node:net'

/** Node has no public way to set O_NONBLOCK on a descriptor. */
interface StreamWithHandle {
  readonly _handle?: { setBlocking?(blocking: boolean): void } | null
}

interface Output {
  readonly fd: number
  /** To be called before each write. */
  unblock(): void
}

/**
 * A descriptor for the same output on which a write fails with EAGAIN instead of blocking.
 *
 * Processes that inherit a descriptor share its O_NONBLOCK flag, and each spawn and exit of a Node process clears it for all
 * of them. A pipe is therefore opened once more, with a flag of its own; a socket cannot be, so its flag is set before each write.
 */
export function nonBlocking(fd: number): Output {
  try {
    const stats = fstatSync(fd)
    if (stats.isFIFO()) return { fd: reopened(fd), unblock: () => undefined }
    if (stats.isSocket()) return flagged(fd)
  } catch {
    return flagged(fd)
  }
  return { fd, unblock: () => undefined }
}

/** Fails where there is no /proc, or where the pipe belongs to another user. */
function reopened(fd: number): number {
  return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK)
}

function flagged(fd: number): Output {
  const stream = fd === process.stdout.fd ? (process.stdout as StreamWithHandle) : openStream(fd)
  return { fd, unblock: () => stream._handle?.setBlocking?.(false) }
}

function openStream(fd: number): StreamWithHandle {
  try {
    return new Socket({ fd, readable: false, writable: true }).unref() as StreamWithHandle
  } catch {
    return {}
  }
}
