import type { AllDecision, Decision } from './decision.ts'

/** Members of a denial that describe the error response and not the decision. */
const PROBLEM_MEMBERS = new Set(['type', 'title', 'status', 'detail', 'instance'])

/** Allowed in a header field, where the middleware puts it in quotes. */
const LIMIT_NAME = /^[\w.:-]{1,256}$/

/**
 * The decision in an answer; `undefined` if what an application relies on is missing or malformed. A decision has the same members,
 * whichever route it came from.
 */
export function readDecision(answer: unknown): Decision | undefined {
  if (!isDecision(answer)) return undefined
  if (answer.allowed) return answer
  const members = Object.entries(answer).filter(([name]) => !PROBLEM_MEMBERS.has(name))
  return { code: 'quota-exceeded', ...Object.fromEntries(members) } as unknown as Decision
}

/** The same for an answer to several checks, which has a decision for each. */
export function readAllDecision(answer: Readonly<Record<string, unknown>>, checks: number): AllDecision | undefined {
  const decision = readDecision(answer)
  const results = Array.isArray(answer['results']) ? answer['results'].map(readDecision) : []
  if (decision === undefined || results.length !== checks || !results.every(result => result !== undefined))
    return undefined
  return { ...decision, results }
}

function isDecision(answer: unknown): answer is Decision {
  if (!isObject(answer) || typeof answer['allowed'] !== 'boolean' || typeof answer['source'] !== 'string') return false
  const { limits, 'violated-policies': violated } = answer
  return (
    ['limit', 'remaining', 'retryAfterMs', 'resetAfterMs'].every(name => isCountOrNull(answer[name])) &&
    (limits === undefined || (Array.isArray(limits) && limits.every(isLimit))) &&
    (violated === undefined || (Array.isArray(violated) && violated.every(isLimitName)))
  )
}

function isLimit(value: unknown): boolean {
  return (
    isObject(value) &&
    isLimitName(value['name']) &&
    ['limit', 'remaining', 'resetAfterMs'].every(name => isCount(value[name])) &&
    isCountOrNull(value['retryAfterMs']) &&
    (value['shadow'] === undefined || value['shadow'] === true)
  )
}

function isLimitName(value: unknown): boolean {
  return typeof value === 'string' && LIMIT_NAME.test(value)
}

function isCountOrNull(value: unknown): boolean {
  return value === null || isCount(value)
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
