import { hash, randomBytes } from 'node:crypto'
import type { Token } from '../settings/token.ts'

/** Nobody else knows how digests begin, so the time that a lookup takes reveals neither a token nor its length. */
const SALT = randomBytes(32).toString('hex')

/** Finds tokens by their digests. A lookup costs the same with any number of tokens. */
export class TokenSet {
  readonly #byDigest: ReadonlyMap<string, Token>

  /** @param tokens of two that are the same, the first one counts */
  constructor(tokens: readonly Token[]) {
    this.#byDigest = new Map([...tokens].reverse().map(token => [digestOf(token.token), token]))
  }

  get isEmpty(): boolean {
    return this.#byDigest.size === 0
  }

  find(presented: string | undefined): Token | undefined {
    return presented === undefined ? undefined : this.#byDigest.get(digestOf(presented))
  }
}

function digestOf(token: string): string {
  return hash('sha256', SALT + token)
}
