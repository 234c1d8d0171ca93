import { existsSync, readFileSync } from 'node:fs'
import { type FileHandle, open, rename } from 'node:fs/promises'
import { parseJson } from '../lib/parse-json.ts'

/** The value of a bucket that has a quota, in hexadecimal digits, and when it expires, in ms since 1970. */
export interface QuotaCount {
  readonly value: string
  readonly expiresAt: number
}

/** A file that is larger than this many bytes, and than twice what it must hold, is written again. */
const COMPACTED_FROM_BYTES = 1024 * 1024

/** Lines that are written at once. */
const LINES_PER_WRITE = 1_000

/**
 * The counts of quotas on disk: a line of JSON for each bucket that has changed, the last one of a bucket counts. A line without a
 * value says that the bucket is gone.
 */
export class QuotaCountsFile {
  readonly #path: string
  /** What the file must hold, as lines by bucket. */
  readonly #held = new Map<string, QuotaCount>()
  #heldBytes = 0
  #bytes = 0
  /** Whether the last line may not have been written whole. */
  #endsInLine = false

  /** Reads what was written. A last line that was not written whole is left out, as is one that has expired. */
  constructor(path: string, nowMs: number) {
    this.#path = path
    if (!existsSync(path)) return
    const text = readFileSync(path, 'utf8')
    this.#bytes = Buffer.byteLength(text)
    for (const line of text.split('\n')) {
      const { key, ...count } = Object(parseJson(line)) as Record<string, unknown>
      if (typeof key !== 'string') continue
      if (isCount(count) && count.expiresAt > nowMs) this.#hold(key, count)
      else this.#drop(key)
    }
    this.#endsInLine = !text.endsWith('\n') && text !== ''
  }

  /** What the file holds, by bucket. */
  get held(): ReadonlyMap<string, QuotaCount> {
    return this.#held
  }

  /** Writes counts, and buckets that are gone, to disk; everything if the file was removed. @throws if the file cannot be written */
  async write(counts: ReadonlyMap<string, QuotaCount | undefined>, nowMs: number): Promise<void> {
    const lines = this.#endsInLine ? ['\n'] : []
    for (const [key, count] of counts) {
      const isHeld = (this.#held.get(key)?.expiresAt ?? 0) > nowMs
      if (count !== undefined) this.#hold(key, count)
      else this.#drop(key)
      if (count !== undefined || isHeld) lines.push(lineOf(key, count))
    }
    if (lines.length === 0) return
    if (this.#bytes > 0 && !existsSync(this.#path)) return await this.#compact(nowMs)
    this.#endsInLine = true
    this.#bytes += await writeLines(this.#path, 'a', lines)
    this.#endsInLine = false
    if (this.#bytes > COMPACTED_FROM_BYTES && this.#bytes > 2 * this.#heldBytes) await this.#compact(nowMs)
  }

  async #compact(nowMs: number): Promise<void> {
    for (const [key, { expiresAt }] of this.#held) if (expiresAt <= nowMs) this.#drop(key)
    const path = `${this.#path}.new`
    const bytes = await writeLines(path, 'w', linesOf(this.#held))
    await rename(path, this.#path)
    this.#bytes = bytes
  }

  #hold(key: string, count: QuotaCount): void {
    this.#drop(key)
    this.#held.set(key, count)
    this.#heldBytes += lineOf(key, count).length
  }

  #drop(key: string): void {
    const count = this.#held.get(key)
    if (count === undefined) return
    this.#held.delete(key)
    this.#heldBytes -= lineOf(key, count).length
  }
}

function isCount(value: object): value is QuotaCount {
  const count = value as { [member in keyof QuotaCount]?: unknown }
  return typeof count.value === 'string' && Number.isSafeInteger(count.expiresAt)
}

function lineOf(key: string, count: QuotaCount | undefined): string {
  return `${JSON.stringify({ key, ...count })}\n`
}

function* linesOf(held: ReadonlyMap<string, QuotaCount>): Iterable<string> {
  for (const [key, count] of held) yield lineOf(key, count)
}

/** Writes lines in pieces, so that other work goes on, and syncs them. Returns the number of bytes. */
async function writeLines(path: string, flag: 'a' | 'w', lines: Iterable<string>): Promise<number> {
  const file = await open(path, flag, 0o600)
  try {
    let bytes = 0
    let piece: string[] = []
    for (const line of lines) {
      if (piece.push(line) < LINES_PER_WRITE) continue
      bytes += await writePiece(file, piece)
      piece = []
    }
    bytes += await writePiece(file, piece)
    await file.datasync()
    return bytes
  } finally {
    await file.close()
  }
}

async function writePiece(file: FileHandle, lines: readonly string[]): Promise<number> {
  if (lines.length === 0) return 0
  return (await file.write(lines.join(''))).bytesWritten
}
