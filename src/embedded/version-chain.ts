import type { PolicyEvent } from '../domain/events.ts'

type Link = Pick<PolicyEvent, 'key' | 'version' | 'policy'>

/** Notices events that are missing, repeated or out of order: the versions of each key have no gaps. */
export class VersionChain {
  /** Negative where that version deleted the policy. */
  readonly #versions = new Map<string, number>()

  hasPolicy(key: string): boolean {
    return this.#versionOf(key) > 0
  }

  /** Returns the version that the next event of the key must have, unless it has that; then the event is accepted. */
  accept({ key, version, policy }: Link): number | undefined {
    const expected = Math.abs(this.#versionOf(key)) + 1
    if (version !== expected) return expected
    this.#versions.set(key, policy === null ? -version : version)
    return undefined
  }

  /** The same for the last event of a key that was compacted: those before it are gone, so any version may be the first. */
  acceptCompacted(link: Link): number | undefined {
    if (!this.#versions.has(link.key)) this.#versions.set(link.key, link.version - 1)
    return this.accept(link)
  }

  #versionOf(key: string): number {
    return this.#versions.get(key) ?? 0
  }
}
