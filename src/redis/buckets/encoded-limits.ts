import type { CompiledLimit } from '../../domain/limits/limit.ts'
import type { Policy } from '../../domain/policy.ts'

type Limits = Policy['limits']

const encodings = new WeakMap<Limits, string>()

/** The limits of a policy as `lua/check.lua` reads them. */
export function encodedLimits(limits: Limits): string {
  const known = encodings.get(limits)
  if (known !== undefined) return known
  const text = limits.map(encodedLimit).join(' ')
  encodings.set(limits, text)
  return text
}

function encodedLimit({ id, unitsPerToken, unitsPerMs, capacityUnits, capacity }: CompiledLimit): string {
  return [id, unitsPerToken, unitsPerMs, capacityUnits, capacity].join(' ')
}
