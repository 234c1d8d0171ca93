import { existsSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { inChunks } from '../lib/keyed-chunks.ts'
import { CannotStart } from '../processes/supervised-process.ts'
import { lengthOf, lineOf, linePieces, parseLine, type QuotaCount, type QuotaCountLine } from './quota-count-lines.ts'
import { appendTo, freeBytesBeside, sync } from './quota-counts-disk.ts'

/** A file that is larger than this many bytes, and than twice what it must hold, is written again. */
const COMPACTED_FROM_BYTES = 1024 * 1024

/** Bytes on the disk that are left to others while the file is written again. */
const LEFT_FREE_BYTES = 128 * 1024

/**
 * Bytes of lines that the file holds at most: about a million buckets. They are in memory too, in about 300 bytes of JavaScript for each,
 * next to a store that evicts from 1 GiB on: a machine of 2 GiB must be able to read them.
 */
const MAX_HELD_BYTES = 128 * 1024 * 1024

/** Where the bound is reached, a hundredth of it is given up at once: to find the oldest counts takes a walk over those that moved. */
const KEPT_SHARE = 0.99

interface ReadOptions {
  /** Whether a bucket can have this key. The line of another key is damaged. Default: any key. */
  readonly isKey?: (key: string) => boolean
  readonly maxHeldBytes?: number
  /** Bytes that are read at once. */
  readonly pieceBytes?: number
  /** Called after each piece, with the bytes that have been read and those of the file. */
  readonly onProgress?: (done: { bytes: number; of: number }) => void
}

/**
 * The counts of quotas on disk: a line of JSON for each bucket that has changed, the last one of a bucket counts. A line without a
 * value says that the bucket is gone.
 */
export class QuotaCountsFile {
  readonly #path: string
  readonly #maxHeldBytes: number
  /** What the file must hold, by bucket; what was written longest ago comes first. */
  readonly #held = new Map<string, QuotaCount>()
  #heldBytes = 0
  /** Of complete lines. */
  #bytes = 0
  /** Whether the last line may not have been written whole. */
  #isTorn = false
  #isRemoved = false
  #isSynced = true
  /** The new file while the old one is compacted. What is appended is written to both. */
  #copy: { readonly path: string; bytes: number } | undefined

  #firstDamagedLine: number | undefined
  #incompleteBytes = 0
  #hasGivenUp = false

  private constructor(path: string, maxHeldBytes: number) {
    this.#path = path
    this.#maxHeldBytes = maxHeldBytes
  }

  /**
   * Reads what was written, in pieces between which the process does other work. A last line that was not written whole is left out, as is
   * one that has expired.
   * @throws {CannotStart} if the file cannot be read
   */
  static async open(path: string, nowMs: number, options: ReadOptions = {}): Promise<QuotaCountsFile> {
    const file = new QuotaCountsFile(path, options.maxHeldBytes ?? MAX_HELD_BYTES)
    try {
      rmSync(copyOf(path), { force: true })
      if (existsSync(path)) await file.#read(nowMs, options)
    } catch (err) {
      throw new CannotStart(`${path} cannot be used: ${(err as Error).message}`)
    }
    return file
  }

  async #read(nowMs: number, { isKey = () => true, pieceBytes, onProgress }: ReadOptions): Promise<void> {
    const { size } = statSync(this.#path)
    let number = 0
    for await (const { lines, bytes, read } of linePieces(this.#path, pieceBytes)) {
      for (const text of lines) {
        number++
        const line = parseLine(text)
        if (line !== undefined && isKey(line.key)) this.#take(line, nowMs)
        else this.#firstDamagedLine ??= number
      }
      this.#bytes = bytes
      this.#incompleteBytes = read - bytes
      this.#limit()
      onProgress?.({ bytes: read, of: size })
      await nextTurn()
    }
    this.#isTorn = this.#incompleteBytes > 0
  }

  #take({ key, count }: QuotaCountLine, nowMs: number): void {
    if (count !== undefined && count.expiresAt > nowMs) this.#hold(key, count)
    else this.#drop(key)
  }

  /** The first line that this service cannot have written, from 1. Such lines are left out. */
  get firstDamagedLine(): number | undefined {
    return this.#firstDamagedLine
  }

  /** Of a last line that was not written whole, which is left out; 0 if there is none. */
  get incompleteBytes(): number {
    return this.#incompleteBytes
  }

  /** Whether counts were given up because there are too many. */
  get hasGivenUp(): boolean {
    return this.#hasGivenUp
  }

  /** What the file holds, by bucket. */
  get held(): ReadonlyMap<string, QuotaCount> {
    return this.#held
  }

  /** Appends counts, and buckets that are gone. They survive the end of this process. @throws if the file cannot be written */
  append(counts: ReadonlyMap<string, QuotaCount | undefined>, nowMs: number): void {
    const written = [...counts].filter(([key, count]) => count !== undefined || this.#isHeld(key, nowMs))
    if (written.length > 0) this.#appendText(written.map(([key, count]) => lineOf(key, count)).join(''))
    for (const [key, count] of counts) {
      if (count !== undefined) this.#hold(key, count)
      else this.#drop(key)
    }
    this.#limit()
  }

  #isHeld(key: string, nowMs: number): boolean {
    return (this.#held.get(key)?.expiresAt ?? 0) > nowMs
  }

  #appendText(text: string): void {
    this.#noteRemoval()
    if (this.#isTorn && existsSync(this.#path)) truncateSync(this.#path, this.#bytes)
    this.#isSynced = false
    this.#isTorn = true
    this.#bytes += appendTo(this.#path, text)
    this.#isTorn = false
    this.#appendToCopy(text)
  }

  #noteRemoval(): void {
    if (this.#bytes === 0 || existsSync(this.#path)) return
    this.#isRemoved = true
    this.#bytes = 0
  }

  /** The old file stays if the new one cannot be written. */
  #appendToCopy(text: string): void {
    try {
      if (this.#copy !== undefined) this.#copy.bytes += appendTo(this.#copy.path, text)
    } catch {
      this.#copy = undefined
    }
  }

  /**
   * Lets what was appended survive a power failure too, and writes a file again that has grown, or that was removed.
   * @throws if the file cannot be written
   */
  async settle(nowMs: number): Promise<void> {
    this.#noteRemoval()
    const isCompacted = this.#hasGrown && this.#heldBytes + LEFT_FREE_BYTES < freeBytesBeside(this.#path)
    if (this.#isRemoved || isCompacted) return await this.#compact(nowMs)
    if (this.#isSynced) return
    this.#isSynced = true
    try {
      await sync(this.#path)
    } catch (err) {
      this.#isSynced = false
      throw err
    }
  }

  get #hasGrown(): boolean {
    return this.#bytes > COMPACTED_FROM_BYTES && this.#bytes > 2 * this.#heldBytes
  }

  async #compact(nowMs: number): Promise<void> {
    const copy = { path: copyOf(this.#path), bytes: 0 }
    writeFileSync(copy.path, '', { mode: 0o600 })
    this.#copy = copy
    try {
      for (const keys of inChunks([...this.#held.keys()])) {
        copy.bytes += appendTo(copy.path, this.#presentLines(keys, nowMs))
        await nextTurn()
      }
      await sync(copy.path)
      if (this.#copy === undefined) return
      // In one turn with the end of the copy: nothing is appended to a file that is no longer there.
      renameSync(copy.path, this.#path)
      this.#bytes = copy.bytes
      this.#isRemoved = false
    } finally {
      this.#copy = undefined
      // One that was not completed would take space on a full disk.
      rmSync(copy.path, { force: true })
    }
  }

  /** Of these buckets, as they are now: a later line of the same bucket may have been written already. */
  #presentLines(keys: readonly string[], nowMs: number): string {
    const lines: string[] = []
    for (const key of keys) {
      const count = this.#held.get(key)
      if (count !== undefined && count.expiresAt <= nowMs) this.#drop(key)
      else if (count !== undefined) lines.push(lineOf(key, count))
    }
    return lines.join('')
  }

  #hold(key: string, count: QuotaCount): void {
    this.#drop(key)
    this.#held.set(key, count)
    this.#heldBytes += lengthOf(key, count)
  }

  /** Gives up the counts that were written longest ago, if there are too many. */
  #limit(): void {
    if (this.#heldBytes <= this.#maxHeldBytes) return
    this.#hasGivenUp = true
    for (const oldest of this.#held.keys()) {
      if (this.#heldBytes <= KEPT_SHARE * this.#maxHeldBytes) return
      this.#drop(oldest)
    }
  }

  #drop(key: string): void {
    const count = this.#held.get(key)
    if (count === undefined) return
    this.#held.delete(key)
    this.#heldBytes -= lengthOf(key, count)
  }
}

function copyOf(path: string): string {
  return `${path}.new`
}
