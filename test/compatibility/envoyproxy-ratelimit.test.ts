import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { parse } from 'yaml'
import { type AnswerComparison, DIFFERENCES } from '../support/answer-comparison.ts'
import { BothServices } from '../support/both-rate-limiters.ts'
import { describeLongWithGo } from '../support/describe-with-go.ts'
import {
  type GeneratedRequest,
  generatedConfigs,
  generatedRequests,
  requestsFor,
} from '../support/generated-rate-limits.ts'
import { descriptor } from '../support/grpc-client.ts'
import { type Configs, ReferenceService } from '../support/reference-service.ts'

const START_MS = 60_000
/** Go builds the reference, and 20,000 requests are sent. */
const RUN_MS = 1_200_000
const [MINUTE_MS, HOUR_MS] = [60_000, 3_600_000]
const EXAMPLES = 'examples/ratelimit/config'
const SEED = 20_260_122

/** In years, since a period should not end meanwhile. */
const YEARLY = (count: number) => `rate_limit: { unit: year, requests_per_unit: ${count} }`
const PINNED = `
domain: pinned
descriptors:
  - { key: file, value: a*, ${YEARLY(1)}, share_threshold: true }
  - { key: a, ${YEARLY(1)}, descriptors: [{ key: b, ${YEARLY(1)} }] }
  - { key: key*, ${YEARLY(1)} }
  - { key: c, value: d, ${YEARLY(1)} }
  - { key: dead, descriptors: [{ key: next, ${YEARLY(1)} }] }
  - { key: dead, value: end, descriptors: [{ key: other, ${YEARLY(1)} }] }
  - { key: wild, value: x*, ${YEARLY(1)} }
  - { key: wild, value: xy*, ${YEARLY(5)} }
  - { key: quota, ${YEARLY(1)}, quota_mode: true }
`

/** Compares within one period of a unit. If another one began meanwhile, it starts again with nothing counted. */
async function compareInOnePeriod(
  reference: ReferenceService,
  configs: Configs,
  lists: readonly (readonly GeneratedRequest[])[],
  unitMs: number,
): Promise<AnswerComparison> {
  for (;;) {
    const both = await BothServices.start(reference, configs)
    try {
      const period = Math.floor(Date.now() / unitMs)
      const comparison = await both.compare(lists)
      if (Math.floor(Date.now() / unitMs) === period) return comparison
    } finally {
      await both.stop()
    }
  }
}

function compareByExamples(reference: ReferenceService): Promise<AnswerComparison> {
  const names = ['example.yaml', 'config.yaml']
  const files = names.map(name => readFileSync(ReferenceService.sourceOf(`${EXAMPLES}/${name}`), 'utf8'))
  const configs = Object.fromEntries(names.map((name, index) => [name, files[index] ?? '']))
  const lists = files.map(file => requestsFor(parse(file), 200, SEED))
  return compareInOnePeriod(reference, configs, lists, MINUTE_MS)
}

function compareByGenerated(reference: ReferenceService): Promise<AnswerComparison> {
  const generated = generatedConfigs(50, SEED)
  const configs = Object.fromEntries(generated.map(({ domain, yaml }) => [`${domain}.yaml`, yaml]))
  const lists = generated.map(({ domain }, index) => generatedRequests(domain, 392, SEED + index))
  return compareInOnePeriod(reference, configs, lists, HOUR_MS)
}

describeLongWithGo('Throttler, asked like envoyproxy/ratelimit', () => {
  let reference: ReferenceService
  let comparisons: { readonly examples: AnswerComparison; readonly generated: AnswerComparison }
  beforeAll(async () => {
    reference = await ReferenceService.build()
    comparisons = { examples: await compareByExamples(reference), generated: await compareByGenerated(reference) }
  }, RUN_MS)
  afterAll(() => reference?.remove())

  it('decides the same by the example configuration, but for explained differences', () => {
    expect(comparisons.examples.unexplained.slice(0, 10)).toEqual([])
  })

  it('decides the same by 50 generated configurations, but for explained differences', () => {
    expect(comparisons.generated.unexplained.slice(0, 10)).toEqual([])
  })

  it('shows every difference that is explained', () => {
    const seen = new Set([...comparisons.examples.seen.keys(), ...comparisons.generated.seen.keys()])
    expect([...seen].toSorted()).toEqual([...DIFFERENCES].toSorted())
  })

  describe('what is decided differently', () => {
    let both: BothServices
    beforeAll(async () => {
      both = await BothServices.start(reference, { 'pinned.yaml': PINNED })
    }, START_MS)
    afterAll(() => both?.stop())

    /** The codes of requests for these descriptors, asked one after another. */
    async function codes(requests: readonly string[]) {
      const [there, here]: [string[], string[]] = [[], []]
      for (const text of requests) {
        const answers = await both.ask({ domain: 'pinned', descriptors: [descriptor(...text.split(/[=;]/))] })
        there.push(answers[0].overallCode)
        here.push(answers[1].overallCode)
      }
      return { there, here }
    }
    const [OK, OVER] = ['OK', 'OVER_LIMIT']

    it.each([
      ['values that share a threshold there', ['file=a1', 'file=a2'], [OK, OVER], [OK, OK]],
      ['keys and values that are the same once joined', ['a=x_b_y', 'a=x;b=y'], [OK, OVER], [OK, OK]],
      ['a key that ends in a wildcard', ['key1=x', 'key1=x'], [OK, OVER], [OK, OK]],
      ['a key that looks like another key and its value', ['c_d=x', 'c_d=x'], [OK, OVER], [OK, OK]],
      ['a dead end', ['dead=end;next=x', 'dead=end;next=x'], [OK, OK], [OK, OVER]],
      ['a hidden wildcard', ['wild=xy', 'wild=xy'], [OK, OVER], [OK, OK]],
      ['no request in quota mode', ['quota=x', 'quota=x'], [OK, OK], [OK, OK]],
    ])('includes %s', async (_name, requests, there, here) => {
      expect(await codes(requests)).toEqual({ there, here })
    })

    it('includes a limit that comes with a request of an unknown domain', async () => {
      const limit = { requestsPerUnit: 1, unit: 'YEAR' }
      const request = { domain: 'unknown', descriptors: [{ ...descriptor('a', 'x'), limit }] }
      await both.ask(request)
      const [there, here] = await both.ask(request)
      expect([there.overallCode, here.overallCode]).toEqual([OK, OVER])
    })

    it('includes the status of an invalid request', async () => {
      const request = { domain: '', descriptors: [descriptor('a', 'x')] }
      await expect(both.there.ask(request, 'gRPC')).rejects.toThrow('UNKNOWN')
      await expect(both.here.ask(request, 'gRPC')).rejects.toThrow('INVALID_ARGUMENT')
    })
  })
})
