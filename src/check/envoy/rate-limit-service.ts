import type { Descriptor } from '../../domain/descriptors/descriptor-pattern.ts'
import { MAX_COUNT } from '../../domain/limits/limit-fault.ts'
import type { Policy } from '../../domain/policy.ts'
import type { PolicyTable } from '../../domain/policy-table.ts'
import { Problem } from '../../lib/errors.ts'
import type { FieldStyle } from '../../settings/env.schema.ts'
import type { BatchTurns } from '../batch-turns.ts'
import { furtherLimitsWeight, OWN_LIMIT_WEIGHT } from '../check-weight.ts'
import type { Checker } from '../checker.ts'
import type { AskedCheck, CheckResult, OnResult } from '../pending-check.ts'
import type { CheckOrigin } from '../ports.ts'
import type { RequestPolicies } from '../request-policies.ts'
import { answerOf } from './answer.ts'
import { bucketKey } from './bucket-key.ts'
import { overridePolicy } from './override-policies.ts'
import { type AskedDescriptor, invalid, type Override, type RateLimitRequest } from './rate-limit-request.ts'
import type { RateLimitResponse } from './rate-limit-response.ts'

/** More hits than any limit holds, and as many as one can owe besides. */
const MAX_HITS = 2 * MAX_COUNT

export interface RateLimitServiceOptions {
  readonly checker: Checker
  readonly policies: PolicyTable
  readonly requestPolicies: RequestPolicies
  readonly batchTurns: BatchTurns
  readonly fieldStyle: FieldStyle
}

/** Who asks, and until when it waits. */
export interface Asking {
  readonly client: Parameters<BatchTurns['next']>[0]
  readonly origin: CheckOrigin
  /** By `performance.now()`; Infinity if it waits for any time. */
  readonly deadlineMs: number
}

/** Receives the answer, or why there is none, and the time that it took in ms. */
export type OnAnswer = (answer: RateLimitResponse | Problem, tookMs: number) => void

/** A check, and the index of its descriptor. */
interface DescriptorCheck extends AskedCheck {
  readonly descriptor: number
}

/** Envoy's rate limit service, over any transport. */
export class RateLimitService {
  readonly #options: RateLimitServiceOptions

  constructor(options: RateLimitServiceOptions) {
    this.#options = options
  }

  /**
   * Decides each descriptor by itself, and all of them together. Calls back, at once or later, with the answer or with a problem:
   * `store-unavailable`, `overloaded`.
   * @throws {Problem} `validation-failed`
   */
  decide(request: RateLimitRequest, asking: Asking, onAnswer: OnAnswer): void {
    acceptRequest(request)
    const startMs = performance.now()
    const answer = (given: RateLimitResponse | Problem) => onAnswer(given, performance.now() - startMs)
    if (request.descriptors.length === 1) this.#decideNow(request, asking, answer)
    else this.#decideInTurn(request, asking, answer)
  }

  /** Policies are found and compiled in the turn, too. */
  #decideInTurn(
    request: RateLimitRequest,
    asking: Asking,
    onAnswer: (answer: RateLimitResponse | Problem) => void,
  ): void {
    const { batchTurns } = this.#options
    const { client, deadlineMs } = asking
    const weight = this.#weigh(request)
    const decideLate = () => this.#decideNow(request, asking, onAnswer)
    const decide = () =>
      this.#decideNow(request, asking, answer => {
        batchTurns.end(weight)
        onAnswer(answer)
      })
    const turn = batchTurns.next(client, { checks: request.descriptors.length, weight, deadlineMs })
    if (turn === undefined) decide()
    else turn.then(time => (time === 'late' ? decideLate() : decide()), onAnswer)
  }

  /** Without compiling the limits of overrides, which happens in the turn. */
  #weigh(request: RateLimitRequest): number {
    const { domain, descriptors } = request
    const storedPolicyOf = ({ entries, override }: AskedDescriptor) =>
      override ? undefined : this.#policyOf({ domain, entries })
    return weightOf(request) + furtherLimitsWeight(descriptors, storedPolicyOf)
  }

  #decideNow(request: RateLimitRequest, asking: Asking, onAnswer: (answer: RateLimitResponse | Problem) => void): void {
    const { checker, fieldStyle } = this.#options
    const results: (CheckResult | undefined)[] = new Array(request.descriptors.length).fill(undefined)
    const checks = this.#checksOf(request, asking)
    let pending = checks.length
    const onResult: OnResult = (result, _tookMs, index) => {
      const { descriptor } = checks[index] as DescriptorCheck
      results[descriptor] = resultOf(request.descriptors[descriptor] as AskedDescriptor, result)
      if (--pending === 0) onAnswer(answerOf(results, fieldStyle))
    }
    const [first, second] = checks
    if (first === undefined) onAnswer(answerOf(results, fieldStyle))
    else if (second === undefined) checker.check(first, onResult, asking.origin)
    else checker.checkAll(checks, onResult, asking.origin)
  }

  /** Those of the descriptors for which there is a policy. */
  #checksOf(request: RateLimitRequest, { deadlineMs }: Asking): readonly DescriptorCheck[] {
    const checks: DescriptorCheck[] = []
    for (let index = 0; index < request.descriptors.length; index++) {
      const asked = request.descriptors[index] as AskedDescriptor
      const descriptor = { domain: request.domain, entries: asked.entries }
      const resolvedPolicy = this.#policyOf(descriptor, asked.override)
      if (resolvedPolicy === undefined) continue
      const [key, tokens] = [bucketKey(descriptor), hitsOf(request, asked)]
      checks.push({ key, tokens, resolvedPolicy, isExcessDenied: true, deadlineMs, descriptor: index })
    }
    return checks
  }

  #policyOf(descriptor: Descriptor, override?: Override): Policy | undefined {
    if (descriptor.entries.length === 0) return undefined
    const { policies, requestPolicies } = this.#options
    const stored = policies.matchDescriptor(descriptor)
    return override ? overridePolicy(override, stored, requestPolicies) : stored
  }
}

/** What the checks of a request cost by their overrides, in checks by one limit. */
function weightOf({ descriptors }: RateLimitRequest): number {
  let weight = descriptors.length
  let before: Override | undefined
  for (const { override } of descriptors) {
    if (override !== undefined && !isSameOverride(override, before)) weight += OWN_LIMIT_WEIGHT - 1
    before = override
  }
  return weight
}

function isSameOverride(a: Override, b: Override | undefined): boolean {
  return a.requestsPerUnit === b?.requestsPerUnit && a.unit === b.unit
}

/** Hits beyond what any limit holds are over the limit, however many they are. Those below 0 are given back. */
function hitsOf({ hitsAddend }: RateLimitRequest, { hits, isNegativeHits }: AskedDescriptor): number {
  const most = Math.min(hits ?? Math.max(1, hitsAddend), MAX_HITS)
  return isNegativeHits && most > 0 ? -most : most
}

/** Giving back is never over a limit, even if it leaves a debt. */
function resultOf({ isNegativeHits }: AskedDescriptor, result: CheckResult): CheckResult {
  return isNegativeHits && !(result instanceof Problem) ? { ...result, allowed: true } : result
}

/** @throws {Problem} `validation-failed` */
function acceptRequest({ domain, descriptors }: RateLimitRequest): void {
  if (domain === '') throw invalid('domain', 'must not be empty')
  if (descriptors.length === 0) throw invalid('descriptors', 'must not be empty')
}
