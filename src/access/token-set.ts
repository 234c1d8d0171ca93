import { createHash, timingSafeEqual } from 'node:crypto'
import type { Token } from '../settings/token.ts'

/** Compares hashes in constant time, so timing reveals neither a token nor its length. */
export class TokenSet {
  readonly #entries: readonly { digest: Buffer; token: Token }[]

  constructor(tokens: readonly Token[]) {
    this.#entries = tokens.map(token => ({ digest: digestOf(token.token), token }))
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0
  }

  find(presented: string | undefined): Token | undefined {
    if (presented === undefined) return undefined
    const digest = digestOf(presented)
    return this.#entries.filter(entry => timingSafeEqual(entry.digest, digest))[0]?.token
  }
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
