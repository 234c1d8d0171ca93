import { createHash } from 'node:crypto'
import { type Descriptor, descriptorKey } from '../../domain/descriptors/descriptor-pattern.ts'
import { MAX_KEY_BYTES } from '../../domain/key.ts'

/** Bytes of `;#` and a hash. */
const HASH_BYTES = 2 + 43
const MAX_HEAD_BYTES = MAX_KEY_BYTES - HASH_BYTES

/**
 * The key of a descriptor's bucket: its text. If that is too long for a key, it is the head of the text, and a hash of all of it as a last
 * entry, which no descriptor has: it has no `=`.
 */
export function bucketKey(descriptor: Descriptor): string {
  const text = descriptorKey(descriptor)
  if (text.length * 3 <= MAX_KEY_BYTES || Buffer.byteLength(text) <= MAX_KEY_BYTES) return text
  return `${headOf(text)};#${createHash('sha256').update(text).digest('base64url')}`
}

function headOf(text: string): string {
  let head = text.slice(0, MAX_HEAD_BYTES)
  while (Buffer.byteLength(head) > MAX_HEAD_BYTES) head = head.slice(0, -1)
  return head.isWellFormed() ? head : head.slice(0, -1)
}
