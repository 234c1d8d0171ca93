import fc from 'fast-check'
import { stringify } from 'yaml'

/** A descriptor as YAML has it. */
interface GeneratedDescriptor {
  readonly key: string
  readonly value?: string
  readonly rate_limit?: object
  readonly shadow_mode?: true
  readonly descriptors?: readonly GeneratedDescriptor[]
}

export interface GeneratedRequest {
  readonly domain: string
  readonly hitsAddend?: number
  readonly descriptors: readonly {
    readonly entries: readonly { readonly key: string; readonly value: string }[]
    readonly hitsAddend?: { readonly value: number }
    readonly limit?: { readonly requestsPerUnit: number; readonly unit: string }
  }[]
}

/** Long enough that the requests of a test are in one. */
const UNITS = ['hour', 'day', 'week', 'month', 'year']
const KEYS = ['user', 'path', 'plan']
const PATTERNS = ['', '', '*', 'a*', 'ab*', 'a', 'ab', 'b']
const VALUES = ['a', 'ab', 'abc', 'b', 'other']
/** No configuration has this key: its descriptors bring their limit, always the same. */
const OVERRIDDEN = 'override'
const OVERRIDES = [3, 8].map(requestsPerUnit => ({ requestsPerUnit, unit: 'HOUR' }))

type Kind = 'limited' | 'banned' | 'unlimited' | 'none'
interface Shape {
  readonly key: string
  readonly value: string
  readonly kind: Kind
  readonly unit: string
  readonly isNamed: boolean
  readonly isShadow: boolean
  readonly children: readonly Shape[]
}

const kind = fc.oneof(
  { weight: 7, arbitrary: fc.constant<Kind>('limited') },
  { weight: 3, arbitrary: fc.constantFrom<Kind>('banned', 'unlimited', 'none') },
)
const { siblings } = fc.letrec<{ siblings: readonly Shape[] }>(tie => ({
  siblings: fc.uniqueArray(
    fc.record({
      key: fc.constantFrom(...KEYS),
      value: fc.constantFrom(...PATTERNS),
      kind,
      unit: fc.constantFrom(...UNITS),
      isNamed: fc.boolean(),
      isShadow: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
      children: fc.oneof({ depthSize: 'small', maxDepth: 1 }, fc.constant([]), tie('siblings')),
    }),
    { selector: ({ key, value }) => `${key}=${value}`, minLength: 2, maxLength: 6 },
  ),
}))

const hits = fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, fc.integer({ min: 0, max: 4 }))
const entry = fc.record({ key: fc.constantFrom(...KEYS), value: fc.constantFrom(...VALUES) })
const descriptor = fc.oneof(
  { weight: 8, arbitrary: fc.record({ entries: fc.array(entry, { minLength: 1, maxLength: 2 }), hits }) },
  fc.constantFrom(...OVERRIDES).map(limit => {
    const entries = [{ key: OVERRIDDEN, value: String(limit.requestsPerUnit) }]
    return { entries, hits: undefined, limit }
  }),
)
const request = fc.record({ descriptors: fc.array(descriptor, { minLength: 1, maxLength: 3 }), hits })

/** Configurations of envoyproxy/ratelimit, each of a domain of its own. Each limit of a file has another number of requests. */
export function generatedConfigs(count: number, seed: number): readonly { domain: string; yaml: string }[] {
  return fc.sample(siblings, { numRuns: count, seed }).map((shapes, index) => {
    const domain = `generated${index}`
    return { domain, yaml: stringify({ domain, descriptors: written(shapes, { next: 1 }) }) }
  })
}

export function generatedRequests(domain: string, count: number, seed: number): readonly GeneratedRequest[] {
  return fc.sample(request, { numRuns: count, seed }).map(({ descriptors, hits }) => ({
    domain,
    ...(hits !== undefined && { hitsAddend: hits }),
    descriptors: descriptors.map(({ hits: own, ...rest }) => ({
      ...rest,
      ...(own !== undefined && { hitsAddend: { value: own } }),
    })),
  }))
}

/** Requests of the descriptors in a configuration, and of values that it does not name. */
export function requestsFor(
  config: { readonly domain: string; readonly descriptors: readonly GeneratedDescriptor[] },
  count: number,
  seed: number,
): readonly GeneratedRequest[] {
  const named = paths(config.descriptors).map(entries => ({ entries }))
  const some = fc.record({ descriptors: fc.array(fc.constantFrom(...named), { minLength: 1, maxLength: 3 }) })
  return fc.sample(some, { numRuns: count, seed }).map(({ descriptors }) => ({ domain: config.domain, descriptors }))
}

function paths(descriptors: readonly GeneratedDescriptor[]): GeneratedRequest['descriptors'][number]['entries'][] {
  return descriptors.flatMap(({ key, value = 'other', descriptors: next = [] }) => {
    const entry = { key, value }
    return [[entry], ...paths(next).map(rest => [entry, ...rest])]
  })
}

function written(shapes: readonly Shape[], counter: { next: number }): readonly GeneratedDescriptor[] {
  return shapes.map(({ key, value, kind, unit, isNamed, isShadow, children }) => {
    const requests = counter.next++
    const name = isNamed && { name: `limit-${requests}` }
    const limits = {
      limited: { unit, requests_per_unit: requests, ...name },
      banned: { unit, requests_per_unit: 0, ...name },
      unlimited: { unlimited: true },
      none: undefined,
    }
    const rateLimit = limits[kind]
    return {
      key,
      ...(value !== '' && { value }),
      ...(rateLimit && { rate_limit: rateLimit }),
      ...(isShadow && { shadow_mode: true as const }),
      ...(children.length > 0 && { descriptors: written(children, counter) }),
    }
  })
}
