import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { type DescriptorEntry, descriptorPattern } from '../../src/domain/descriptors/descriptor-pattern.ts'
import { DescriptorTree } from '../../src/domain/descriptors/descriptor-tree.ts'
import type { PolicyDefinition } from '../../src/domain/policy.ts'
import type { ConfigDescriptor } from '../../src/ratelimit-config/config-file.ts'
import type { Finding } from '../../src/ratelimit-config/finding.ts'
import { translate } from '../../src/ratelimit-config/translate.ts'
import { PROPERTY_TIMEOUT_MS, runs } from '../support/property-runs.ts'
import { referenceMatch } from '../support/reference-matching.ts'

const KEYS = ['a', 'b']
/** Those of requests. The last one is in no configuration. */
const VALUES = ['x', 'xy', 'xyz', 'y', 'other']
const PATTERNS = ['', '*', 'x*', 'xy*', 'xyz*', 'x', 'xy', 'xyz']

const shape = fc.letrec<{ siblings: readonly Shape[] }>(tie => ({
  siblings: fc.uniqueArray(
    fc.record({
      key: fc.constantFrom(...KEYS),
      value: fc.constantFrom(...PATTERNS),
      kind: fc.constantFrom('limited', 'limited', 'unlimited', 'none'),
      children: fc.oneof({ depthSize: 'small', maxDepth: 2 }, fc.constant([]), tie('siblings')),
    }),
    { selector: ({ key, value }) => `${key}=${value}`, maxLength: 5 },
  ),
})).siblings

interface Shape {
  readonly key: string
  readonly value: string
  readonly kind: string
  readonly children: readonly Shape[]
}

const entries = fc.array(fc.record({ key: fc.constantFrom(...KEYS), value: fc.constantFrom(...VALUES) }), {
  minLength: 1,
  maxLength: 3,
})

/** Gives each descriptor a limit of its own number of requests, by which it can be told from others. */
function numbered(shapes: readonly Shape[], counter = { next: 1 }): readonly ConfigDescriptor[] {
  return shapes.map(({ key, value, kind, children }) => {
    const requestsPerUnit = counter.next++
    const unit = kind === 'limited' ? ('DAY' as const) : undefined
    const rateLimit = kind === 'none' ? undefined : { unit, requestsPerUnit, name: '', hasReplaces: false }
    return {
      key,
      value,
      rateLimit,
      flags: new Set<never>(),
      hasMetadata: false,
      descriptors: numbered(children, counter),
    }
  })
}

/** The number of requests that each service allows; `undefined` if it does not limit them. */
class BothServices {
  readonly #descriptors: readonly ConfigDescriptor[]
  readonly #tree = new DescriptorTree<{ readonly key: string; readonly policy: PolicyDefinition }>()
  readonly differences: readonly Finding[]

  constructor(descriptors: readonly ConfigDescriptor[]) {
    this.#descriptors = descriptors
    const { policies, findings } = translate([{ file: 'edge.yaml', domain: 'edge', descriptors }])
    for (const translated of policies) this.#tree.set(descriptorPattern(translated.key), translated)
    this.differences = findings.filter(({ isDifference }) => isDifference)
  }

  there(entries: readonly DescriptorEntry[]): number | undefined {
    const limit = referenceMatch(this.#descriptors, entries)?.rateLimit
    return limit?.unit && limit.requestsPerUnit
  }

  here(entries: readonly DescriptorEntry[]): number | undefined {
    const { policy } = this.#match(entries) ?? {}
    return policy?.mode === 'enforce' ? policy.limits[0]?.capacity : undefined
  }

  /** Whether a finding names the policy that decides here. */
  isNamed(entries: readonly DescriptorEntry[]): boolean {
    return this.differences.some(({ configKey }) => configKey === this.#match(entries)?.key)
  }

  #match(entries: readonly DescriptorEntry[]) {
    return this.#tree.match({ domain: 'edge', entries })
  }
}

/** What stands in a finding for the entries of a request, such as `a=x;b=…`. */
function exampleIn({ detail }: Finding): readonly DescriptorEntry[] {
  const [, text = ''] = /^it decides (.*) here; there/.exec(detail) ?? []
  return text.split(';').map(entry => {
    const [key = '', value = ''] = entry.split('=')
    return { key, value: value.replace('…', '!') }
  })
}

describe('a translated configuration', () => {
  it(
    'limits each request as the reference does, unless a finding names the difference',
    () => {
      const property = fc.property(shape, fc.array(entries, { minLength: 20, maxLength: 20 }), (shapes, requests) => {
        const both = new BothServices(numbered(shapes))
        for (const request of requests) {
          if (!both.isNamed(request)) expect(both.here(request)).toBe(both.there(request))
        }
      })
      fc.assert(property, runs(500, 100_000))
    },
    PROPERTY_TIMEOUT_MS,
  )

  it(
    'has findings whose examples are decided differently',
    () => {
      const property = fc.property(shape, shapes => {
        const both = new BothServices(numbered(shapes))
        for (const example of both.differences.map(exampleIn)) expect(both.here(example)).not.toBe(both.there(example))
      })
      fc.assert(property, runs(500, 100_000))
    },
    PROPERTY_TIMEOUT_MS,
  )
})
