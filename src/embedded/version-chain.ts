import type { PolicyEvent } from '../domain/events.ts'
import { isTemporary } from '../domain/temporary-policy.ts'

type Link = Pick<PolicyEvent, 'key' | 'version' | 'policy'>

/** Detects events that are missing, repeated or out of order: the versions of each key have no gaps. */
export class VersionChain {
  /** Negative if that version deleted the policy. */
  readonly #versions = new Map<string, number>()
  /** When the policies end that nothing follows, in ms since 1970. */
  readonly #ends = new Map<string, number>()

  /** @param at ISO 8601 */
  hasPolicy(key: string, at: string): boolean {
    return this.#versionOf(key) > 0 && !(Date.parse(at) >= (this.#ends.get(key) ?? Number.POSITIVE_INFINITY))
  }

  /** Accepts the next event of a key, or returns the version that it should have. */
  accept({ key, version, policy }: Link): number | undefined {
    const expected = Math.abs(this.#versionOf(key)) + 1
    if (version !== expected) return expected
    this.#versions.set(key, policy === null ? -version : version)
    if (isTemporary(policy) && policy.then === null) this.#ends.set(key, Date.parse(policy.expiresAt))
    else this.#ends.delete(key)
    return undefined
  }

  /** The same for a compacted event: the events before it are gone, so any version may be the first. */
  acceptCompacted(link: Link): number | undefined {
    if (!this.#versions.has(link.key)) this.#versions.set(link.key, link.version - 1)
    return this.accept(link)
  }

  #versionOf(key: string): number {
    return this.#versions.get(key) ?? 0
  }
}
