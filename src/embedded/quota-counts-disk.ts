import { appendFileSync, statfsSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'

/** The bytes that can still be written beside a file. */
export function freeBytesBeside(path: string): number {
  const { bavail, bsize } = statfsSync(dirname(path))
  return bavail * bsize
}

/** Appends a text to a file that only this user can read. Returns the number of bytes. */
export function appendTo(path: string, text: string): number {
  const bytes = Buffer.from(text)
  appendFileSync(path, bytes, { mode: 0o600 })
  return bytes.length
}

/** Lets what was written survive a power failure. */
export async function sync(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.datasync()
  } finally {
    await file.close()
  }
}
