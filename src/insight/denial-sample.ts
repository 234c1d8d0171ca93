import { type Decision, violatedLimits } from '../domain/decision.ts'
import type { Denial } from './ports.ts'

/** Denials of one second that are kept. */
const MAX_PER_SECOND = 100

/**
 * Samples the denials of this process: at most one for each key and second, and at most a hundred a second. If more keys are denied, each
 * denial of a further key may take the place of another one, so that no key is left out because others come first.
 */
export class DenialSample {
  /** Of the present second. */
  #denials: Denial[] = []
  readonly #keys = new Set<string>()
  /** Denials of keys that were not in the sample once it was full. */
  #further = 0
  /** In seconds since 1970. */
  #second = 0
  /** Of the seconds before. */
  #ended: Denial[] = []
  readonly #now: () => number

  /** @param now in ms since 1970 */
  constructor(now: () => number) {
    this.#now = now
  }

  decided(decision: Decision, requestId: string | undefined): void {
    if (decision.allowed || this.#keys.has(decision.key)) return
    const atMs = this.#now()
    this.#beginSecond(Math.floor(atMs / 1_000))
    const place = this.#placeOfNext()
    if (place === undefined) return
    const replaced = this.#denials[place]
    if (replaced !== undefined) this.#keys.delete(replaced.key)
    this.#denials[place] = denialOf(decision, atMs, requestId)
    this.#keys.add(decision.key)
  }

  /** Returns the denials of the seconds that have ended, and forgets them; `undefined` if there are none. */
  take(nowMs: number): readonly Denial[] | undefined {
    this.#beginSecond(Math.floor(nowMs / 1_000))
    const ended = this.#ended
    this.#ended = []
    return ended.length > 0 ? ended : undefined
  }

  #beginSecond(second: number): void {
    if (second === this.#second) return
    this.#second = second
    this.#ended.push(...this.#denials)
    this.#denials = []
    this.#keys.clear()
    this.#further = 0
  }

  /** Reservoir sampling. @see https://en.wikipedia.org/wiki/Reservoir_sampling */
  #placeOfNext(): number | undefined {
    if (this.#denials.length < MAX_PER_SECOND) return this.#denials.length
    this.#further++
    const place = Math.floor(Math.random() * (MAX_PER_SECOND + this.#further))
    return place < MAX_PER_SECOND ? place : undefined
  }
}

function denialOf(decision: Decision, atMs: number, requestId: string | undefined): Denial {
  const { key, policy, tokens, remaining, retryAfterMs, source } = decision
  const { configKey, version } = policy
  const violated = violatedLimits(decision)
  return {
    atMs,
    key,
    policy: configKey,
    policyVersion: version,
    violated,
    tokens,
    remaining,
    retryAfterMs,
    source,
    requestId,
  }
}
