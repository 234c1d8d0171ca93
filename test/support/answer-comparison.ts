import { descriptorKey, descriptorPattern } from '../../src/domain/descriptors/descriptor-pattern.ts'
import { DescriptorTree } from '../../src/domain/descriptors/descriptor-tree.ts'
import type { PolicyDefinition } from '../../src/domain/policy.ts'
import type { Translation } from '../../src/ratelimit-config/translate.ts'
import type { GeneratedRequest } from './generated-rate-limits.ts'
import type { Answered, AnsweredStatus } from './rate-limit-answers.ts'

/** Ways in which Throttler answers otherwise than the reference. `docs/protocols.md` explains each. */
export const DIFFERENCES = [
  'a denied request spends nothing',
  'a limit without a name is called default',
  'what is never limited has unlimited requests left',
  'what is always denied has no current_limit',
  'what is always denied is denied even without hits',
  'a limit of which nothing is spent is not reset',
  'weeks, months and years are those of the calendar',
  'limits per second are token buckets',
  'replaces is ignored',
  'another policy matches, as the translator says',
  'headers are chosen by the wait and by the share that is left',
  'a denied request has retry-after',
] as const
export type Difference = (typeof DIFFERENCES)[number]

type Descriptor = GeneratedRequest['descriptors'][number]

interface Exchange {
  readonly request: GeneratedRequest
  readonly there: Answered
  readonly here: Answered
  /** From before the request was sent to the first of the two until both had answered. */
  readonly seconds: number
}

/** The status of one descriptor in both answers. */
interface Pair extends Pick<Exchange, 'seconds'> {
  readonly descriptor: Descriptor
  readonly hits: number
  readonly there: AnsweredStatus
  readonly here: AnsweredStatus
}

/** Units whose periods begin at the same times in both. */
const SAME_PERIODS = ['MINUTE', 'HOUR', 'DAY']
const UNLIMITED = 2 ** 32 - 1

/**
 * Compares answers to the same requests. It counts hits itself, as each of the two does: the reference counts denied hits too. So it knows
 * what each has to answer, and a difference has to be one of `DIFFERENCES`.
 */
export class AnswerComparison {
  /** How often each difference was seen. */
  readonly seen = new Map<Difference, number>()
  /** Exchanges with something else. */
  readonly unexplained: string[] = []
  readonly #policies = new DescriptorTree<{ readonly key: string; readonly policy: PolicyDefinition }>()
  readonly #findings: Translation['findings']
  readonly #counts = new Map<string, { there: number; here: number }>()

  constructor({ policies, findings }: Translation) {
    for (const translated of policies) this.#policies.set(descriptorPattern(translated.key), translated)
    this.#findings = findings
  }

  add(exchange: Exchange): void {
    const { request, there, here, seconds } = exchange
    const before = this.unexplained.length
    this.#expect('statuses', here.statuses.length, there.statuses.length)
    const isReplacing = request.descriptors.some(descriptor => this.#isNamed(request, descriptor, /^replaces/))
    for (const [index, descriptor] of request.descriptors.entries()) {
      const [statusThere, statusHere] = [there.statuses[index], here.statuses[index]]
      if (statusThere === undefined || statusHere === undefined) continue
      const hits = descriptor.hitsAddend?.value ?? Math.max(1, request.hitsAddend ?? 0)
      this.#compare({ descriptor, hits, there: statusThere, here: statusHere, seconds }, request, isReplacing)
    }
    for (const answer of [there, here]) this.#expect('overall_code', answer.overallCode, worstOf(answer.statuses))
    this.#compareHeaders(exchange)
    if (this.unexplained.length > before) this.unexplained.push(JSON.stringify(exchange))
  }

  #compare(pair: Pair, request: GeneratedRequest, isReplacing: boolean): void {
    const { there, here } = pair
    const { policy } = this.#matched(request, pair.descriptor) ?? {}
    if (isBanned(pair, policy)) this.#compareBanned(pair)
    else if (!isAlike(pair)) this.#compareOthers(pair, request, isReplacing)
    else if (here.limit === undefined) this.#compareUnlimited(there, here)
    else this.#compareLimited(pair, request, policy?.mode === 'shadow')
  }

  /** Another policy decides, or none. */
  #compareOthers(pair: Pair, request: GeneratedRequest, isReplacing: boolean): void {
    const { descriptor, there, here } = pair
    if (isReplacing && there.limit === undefined) this.#note('replaces is ignored')
    else if (this.#isNamed(request, descriptor, /^it decides /)) {
      this.#note('another policy matches, as the translator says')
    } else this.#expect('limit', here, there)
    this.#countOf(request, pair, here)
  }

  #compareUnlimited(there: AnsweredStatus, here: AnsweredStatus): void {
    if (here.remaining !== there.remaining) {
      this.#expect('remaining', [here.remaining, there.remaining], [UNLIMITED, 0])
      this.#note('what is never limited has unlimited requests left')
    }
  }

  #compareBanned({ hits, there, here }: Pair): void {
    this.#note('what is always denied has no current_limit')
    if (here.code === there.code) return
    this.#expect('hits', hits, 0)
    this.#note('what is always denied is denied even without hits')
  }

  #compareLimited(pair: Pair, request: GeneratedRequest, isShadow: boolean): void {
    const { there, here } = pair
    const { name, requestsPerUnit: limit, unit } = there.limit ?? { name: '', requestsPerUnit: 0, unit: '' }
    this.#expect('unit', here.limit?.unit, unit)
    this.#expect('name', here.limit?.name, name || 'default')
    if (name === '') this.#note('a limit without a name is called default')
    if (unit === 'SECOND') {
      this.#note('limits per second are token buckets')
      return
    }
    const count = this.#countOf(request, pair, here)
    const isOver = (over: boolean) => (over && !isShadow ? 'OVER_LIMIT' : 'OK')
    this.#expect('code there', there.code, isOver(count.there > limit))
    this.#expect('remaining there', there.remaining, Math.max(0, limit - count.there))
    this.#expect('code here', here.code, isOver(!count.fits))
    this.#expect('remaining here', here.remaining, limit - count.here)
    if (here.code !== there.code || here.remaining !== there.remaining) this.#note('a denied request spends nothing')
    this.#compareReset(pair, unit, count.here)
  }

  #compareReset({ there, here, seconds }: Pair, unit: string, spent: number): void {
    if (spent === 0) {
      this.#expect('reset of nothing', here.resetSeconds, 0)
      this.#note('a limit of which nothing is spent is not reset')
    } else if (SAME_PERIODS.includes(unit)) {
      const apart = Math.abs((here.resetSeconds ?? Number.NaN) - (there.resetSeconds ?? Number.NaN))
      this.#expect('resets at the same time', apart <= seconds + 1 ? true : apart, true)
    } else this.#note('weeks, months and years are those of the calendar')
  }

  #compareHeaders({ request, there, here, seconds }: Exchange): void {
    const { 'retry-after': retryAfter, ...headers } = here.headers
    if (retryAfter !== undefined) {
      this.#expect('overall_code with retry-after', here.overallCode, 'OVER_LIMIT')
      this.#note('a denied request has retry-after')
    }
    const [first, ...others] = request.descriptors
    const [thereFirst, hereFirst] = [there.statuses[0], here.statuses[0]]
    const isSame = thereFirst?.limit?.requestsPerUnit === hereFirst?.limit?.requestsPerUnit
    const isSpentAlike = thereFirst?.limit && thereFirst.remaining === hereFirst?.remaining
    if (first === undefined || others.length > 0 || !isSame || !isSpentAlike) {
      this.#note('headers are chosen by the wait and by the share that is left')
      return
    }
    const names = ['x-ratelimit-limit', 'x-ratelimit-remaining']
    for (const name of names) this.#expect(name, headers[name], there.headers[name])
    if (!SAME_PERIODS.includes(thereFirst.limit?.unit ?? '') || hereFirst?.resetSeconds === 0) return
    const apart = Math.abs(Number(headers['x-ratelimit-reset']) - Number(there.headers['x-ratelimit-reset']))
    this.#expect('x-ratelimit-reset', apart <= seconds + 1 ? true : apart, true)
  }

  /** What both have counted after the hits, and whether these fit here. */
  #countOf({ domain }: GeneratedRequest, { descriptor, hits, there }: Pair, here: AnsweredStatus) {
    const key = descriptorKey({ domain, entries: descriptor.entries })
    const count = this.#counts.get(key) ?? { there: 0, here: 0 }
    this.#counts.set(key, count)
    const fits = count.here + hits <= (here.limit?.requestsPerUnit ?? 0)
    if (there.limit !== undefined) count.there += hits
    if (fits) count.here += hits
    return { ...count, fits }
  }

  #matched({ domain }: GeneratedRequest, { entries, limit }: Descriptor) {
    return limit === undefined ? this.#policies.match({ domain, entries }) : undefined
  }

  /** Whether the translator says this of the policy that decides here. */
  #isNamed(request: GeneratedRequest, descriptor: Descriptor, detail: RegExp): boolean {
    const key = this.#matched(request, descriptor)?.key
    return this.#findings.some(finding => finding.configKey === key && detail.test(finding.detail))
  }

  #note(difference: Difference): void {
    this.seen.set(difference, (this.seen.get(difference) ?? 0) + 1)
  }

  #expect(what: string, found: unknown, expected: unknown): void {
    const [a, b] = [JSON.stringify(found), JSON.stringify(expected)]
    if (a !== b) this.unexplained.push(`${what}: ${a}, not ${b}`)
  }
}

/** `requests_per_unit: 0`, which is the mode `block` here, or `off` if it denies nobody. */
function isBanned({ there, here }: Pair, policy: PolicyDefinition | undefined): boolean {
  if (there.limit?.requestsPerUnit !== 0 || here.limit !== undefined) return false
  return policy?.mode === 'off' ? there.code === 'OK' : here.code === 'OVER_LIMIT'
}

/** Whether both were decided by the same limit, or by none. Limits of a configuration differ in their numbers. */
function isAlike({ there, here }: Pair): boolean {
  if (there.limit?.requestsPerUnit !== here.limit?.requestsPerUnit) return false
  return here.limit !== undefined || here.code === there.code
}

function worstOf(statuses: readonly AnsweredStatus[]): string {
  return statuses.some(({ code }) => code === 'OVER_LIMIT') ? 'OVER_LIMIT' : 'OK'
}
