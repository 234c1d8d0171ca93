/** File operations of the journal. */
import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { inChunks } from '../lib/keyed-chunks.ts'

/** Appends to an existing file. Never creates one, since another process may have the directory by now. */
const EXISTING = constants.O_WRONLY | constants.O_APPEND

/** Bytes to copy in one blocking step. */
const COPIED_BYTES = 2 ** 18

const dataSync = promisify(fdatasync)

/** Appends lines and syncs them to disk. Returns their size in bytes. */
export function writeLines(fd: number, lines: Iterable<string>): number {
  let bytes = 0
  for (const some of inChunks(lines)) bytes += writeBytes(fd, Buffer.from(`${some.join('\n')}\n`))
  fdatasyncSync(fd)
  return bytes
}

function writeBytes(fd: number, bytes: Uint8Array): number {
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written)
  return bytes.length
}

/** Writes lines to a file that atomically replaces another. Returns their size in bytes. */
export function replaceByLines(path: string, temporary: string, lines: Iterable<string>): number {
  const fd = openSync(temporary, 'w')
  try {
    writeLines(fd, lines)
  } catch (err) {
    // A partial file would take space on a full disk.
    rmSync(temporary)
    throw err
  } finally {
    closeSync(fd)
  }
  return replaceFile(path, temporary)
}

/** Replaces a file by another, atomically even if the machine crashes. Returns its size in bytes. */
export function replaceFile(path: string, by: string): number {
  renameSync(by, path)
  const directory = openSync(dirname(path), 'r')
  fsyncSync(directory)
  closeSync(directory)
  return statSync(path).size
}

/**
 * Copies a growing file from `at` on, in chunks and without blocking other work, until little is missing. Returns the position
 * up to which the copy is on disk.
 */
export async function copyMost(from: string, to: string, at: number, size: () => number): Promise<number> {
  let copied = at
  while (size() - copied > COPIED_BYTES) copied = await copyPiece(from, to, copied)
  return copied
}

async function copyPiece(from: string, to: string, at: number): Promise<number> {
  const target = openSync(to, EXISTING)
  try {
    copyBytes(from, target, at, at + COPIED_BYTES)
    await dataSync(target)
  } finally {
    closeSync(target)
  }
  return at + COPIED_BYTES
}

/** Appends a part of a file to another and syncs it to disk. */
export function copyRest(from: string, to: string, at: number, end: number): void {
  const target = openSync(to, EXISTING)
  try {
    copyBytes(from, target, at, end)
    fdatasyncSync(target)
  } finally {
    closeSync(target)
  }
}

function copyBytes(from: string, target: number, at: number, end: number): void {
  const source = openSync(from, 'r')
  const bytes = Buffer.allocUnsafe(end - at)
  try {
    for (let read = 0; read < bytes.length; ) {
      const length = readSync(source, bytes, read, bytes.length - read, at + read)
      if (length === 0) throw new Error(`${from} is shorter than it was`)
      read += length
    }
    writeBytes(target, bytes)
  } finally {
    closeSync(source)
  }
}
