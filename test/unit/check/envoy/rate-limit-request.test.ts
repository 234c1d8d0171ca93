import { fileURLToPath } from 'node:url'
import { loadSync } from '@grpc/proto-loader'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { readJsonRequest } from '../../../../src/check/envoy/json-request.ts'
import { decodeRequest, fieldsIn } from '../../../../src/check/envoy/rate-limit-request.ts'
import { encodedText } from '../../../../src/domain/descriptors/descriptor-text.ts'
import type { Problem } from '../../../../src/lib/errors.ts'
import { runs } from '../../../support/property-runs.ts'

const PROTO = fileURLToPath(new URL('../../../support/ratelimit.proto', import.meta.url))
const service = loadSync(PROTO)['envoy.service.ratelimit.v3.RateLimitService'] as unknown as {
  ShouldRateLimit: { requestSerialize(request: object): Buffer }
}
const serialize = (request: object) => service.ShouldRateLimit.requestSerialize(request)

const UNITS = ['SECOND', 'MINUTE', 'HOUR', 'DAY', 'MONTH', 'YEAR', 'WEEK'] as const
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const text = fc.string({ unit: 'binary' })
const descriptors = fc.array(
  fc.record(
    {
      entries: fc.array(fc.record({ key: text, value: text })),
      limit: fc.record({ requestsPerUnit: uint32, unit: fc.constantFrom(...UNITS) }),
      hitsAddend: fc.maxSafeNat(),
      isNegativeHits: fc.boolean(),
    },
    { requiredKeys: ['entries'] },
  ),
)
const requests = fc.record({ domain: text, descriptors, hitsAddend: uint32 })

describe('a request', () => {
  it('is read as another implementation writes it, and as its JSON says', () => {
    fc.assert(
      fc.property(requests, request => {
        const wrapped = request.descriptors.map(({ hitsAddend, ...rest }) =>
          hitsAddend === undefined ? rest : { ...rest, hitsAddend: { value: hitsAddend } },
        )
        const decoded = decodeRequest(serialize({ ...request, descriptors: wrapped }))
        expect(decoded).toEqual({
          domain: encodedText('domain', request.domain),
          hitsAddend: request.hitsAddend,
          descriptors: request.descriptors.map(({ entries, limit, hitsAddend, isNegativeHits = false }) => ({
            entries: entries.map(({ key, value }) => ({
              key: encodedText('key', key),
              value: encodedText('value', value),
            })),
            override: limit,
            hits: hitsAddend,
            isNegativeHits,
          })),
        })
        expect(readJsonRequest(JSON.parse(JSON.stringify(request)))).toEqual(decoded)
      }),
      runs(30, 1_000),
    )
  })

  it('has the fields of its descriptors, entries and limits', () => {
    const entries = [
      { key: 'a', value: 'b' },
      { key: 'c', value: 'd' },
    ]
    const limit = { requestsPerUnit: 5, unit: 'HOUR' }
    const message = serialize({ domain: 'x', descriptors: [{ entries, limit, hitsAddend: { value: 7 } }, { entries }] })
    expect(fieldsIn(message)).toBe(1 + 1 + 6 + 3 + 2 + 1 + 6)
    expect(fieldsIn(message.subarray(0, -1))).toBeGreaterThan(0)
  })

  it('has bytes that the protocol defines', () => {
    const bytes = Buffer.from(
      '0a0465646765' + // domain
        '1217' + // a descriptor
        ('0a060a01611201' + '62') + // its entry a = b
        ('1204' + '0805' + '1003') + // its limit of 5 an hour
        ('1a02' + '0807') + // 7 hits
        '2001' + // to give back
        'a20600' + // and a field of a later version
        '1802', // 2 hits
      'hex',
    )
    expect(decodeRequest(bytes)).toEqual({
      domain: 'edge',
      descriptors: [
        {
          entries: [{ key: 'a', value: 'b' }],
          override: { requestsPerUnit: 5, unit: 'HOUR' },
          hits: 7,
          isNegativeHits: true,
        },
      ],
      hitsAddend: 2,
    })
  })

  it('is refused with a problem, whatever bytes it has', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        try {
          decodeRequest(Buffer.from(bytes))
        } catch (err) {
          expect((err as Problem).code).toBe('validation-failed')
        }
      }),
      runs(30, 1_000),
    )
  })

  it('may have 10,000 entries in all', () => {
    const withEntries = (count: number) => serialize({ descriptors: [{ entries: Array(count).fill({ key: 'a' }) }] })
    expect(decodeRequest(withEntries(10_000)).descriptors[0]?.entries).toHaveLength(10_000)
    expect(() => decodeRequest(withEntries(10_001))).toThrow('descriptors: must have at most 10000 entries in all')
  })
})
