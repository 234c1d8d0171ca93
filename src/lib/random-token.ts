import { randomFillSync } from 'node:crypto'

const TOKEN_BYTES = 16

/** Random bytes for many tokens at once, since a call of the generator costs more than its bytes. */
const pool = Buffer.alloc(256 * TOKEN_BYTES)
let used = pool.length

/** 16 random bytes in base64url. */
export function randomToken(): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += TOKEN_BYTES
  return pool.toString('base64url', used - TOKEN_BYTES, used)
}
