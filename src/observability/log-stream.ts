import { writeSync } from 'node:fs'
import { nonBlocking } from './non-blocking.ts'

/** Bytes that wait while the output takes none; further lines are dropped. */
const MAX_PENDING_BYTES = 1024 * 1024
const RETRY_MS = 20
/** How long an exit may wait for a full pipe or terminal to take the pending lines. */
const MAX_EXIT_DELAY_MS = 300

const sleeper = new Int32Array(new SharedArrayBuffer(4))

/**
 * Writes each line at once and whole, so that lines of several processes do not mix and none is lost at exit. It neither
 * throws nor blocks: while the output takes nothing (a full disk, an unread pipe), lines wait in bounded memory,
 * and then are dropped.
 */
export class LogStream {
  readonly #fd: number
  readonly #unblock: () => void
  readonly #onRecovered: (dropped: number) => void
  #pending: Buffer[] = []
  #pendingBytes = 0
  #dropped = 0
  #retry: NodeJS.Timeout | undefined
  readonly #flushAtExit = () => this.#flush()

  /** `onRecovered` is told how many lines were dropped, once the output takes lines again. */
  constructor(fd: number, onRecovered: (dropped: number) => void) {
    const output = nonBlocking(fd)
    this.#fd = output.fd
    this.#unblock = output.unblock
    this.#onRecovered = onRecovered
  }

  get pendingBytes(): number {
    return this.#pendingBytes
  }

  write(line: string): void {
    if (this.#retry === undefined) this.#writeNow(line)
    else this.#enqueue(Buffer.from(line))
  }

  #writeNow(line: string): void {
    const { written } = this.#tryWrite(line)
    if (written === Buffer.byteLength(line)) return
    this.#enqueue(Buffer.from(line).subarray(written))
    this.#retry = setInterval(() => this.#drain(), RETRY_MS).unref()
    process.once('exit', this.#flushAtExit)
  }

  #enqueue(line: Buffer): void {
    if (this.#pendingBytes + line.length > MAX_PENDING_BYTES) {
      this.#dropped++
      return
    }
    this.#pending.push(line)
    this.#pendingBytes += line.length
  }

  /** The number of bytes that were written, and the error code if it was none. */
  #tryWrite(line: string | Buffer): { written: number; code?: string | undefined } {
    try {
      this.#unblock()
      return { written: typeof line === 'string' ? writeSync(this.#fd, line) : writeSync(this.#fd, line) }
    } catch (err) {
      return { written: 0, code: (err as NodeJS.ErrnoException).code }
    }
  }

  #drain(): void {
    this.#writePending()
    if (this.#pending.length > 0) return
    clearInterval(this.#retry)
    this.#retry = undefined
    process.off('exit', this.#flushAtExit)
    const dropped = this.#dropped
    this.#dropped = 0
    if (dropped > 0) this.#onRecovered(dropped)
  }

  /** Writes pending lines until the output takes no more. Returns the error code that stopped it, if any. */
  #writePending(): string | undefined {
    let done = 0
    let code: string | undefined
    for (const line of this.#pending) {
      const result = this.#tryWrite(line)
      this.#pendingBytes -= result.written
      code = result.code
      if (result.written < line.length) {
        this.#pending[done] = line.subarray(result.written)
        break
      }
      done++
    }
    this.#pending.splice(0, done)
    return code
  }

  #flush(): void {
    const deadline = performance.now() + MAX_EXIT_DELAY_MS
    while (this.#pending.length > 0 && performance.now() < deadline) {
      const code = this.#writePending()
      if (code !== undefined && code !== 'EAGAIN') return
      if (code === 'EAGAIN') Atomics.wait(sleeper, 0, 0, RETRY_MS / 2)
    }
  }
}
