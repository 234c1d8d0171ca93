import { fileURLToPath } from 'node:url'
import { loadSync } from '@grpc/proto-loader'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { encodeResponse } from '../../../../src/check/envoy/rate-limit-response.ts'
import { responseJson } from '../../../../src/check/envoy/response-json.ts'
import { runs } from '../../../support/property-runs.ts'

const PROTO = fileURLToPath(new URL('../../../support/ratelimit.proto', import.meta.url))
const service = loadSync(PROTO, { longs: Number, enums: String, defaults: true, arrays: true })[
  'envoy.service.ratelimit.v3.RateLimitService'
] as unknown as { ShouldRateLimit: { responseDeserialize(bytes: Buffer): object } }

const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const code = fc.constantFrom('UNKNOWN' as const, 'OK' as const, 'OVER_LIMIT' as const)
const units = ['SECOND', 'MINUTE', 'HOUR', 'DAY', 'MONTH', 'YEAR', 'WEEK'] as const
const responses = fc.record({
  overallCode: code,
  statuses: fc.array(
    fc.record(
      {
        code,
        currentLimit: fc.record({ name: fc.string(), requestsPerUnit: uint32, unit: fc.constantFrom(...units) }),
        limitRemaining: uint32,
        resetAfterMs: fc.maxSafeNat(),
      },
      { requiredKeys: ['code', 'limitRemaining'] },
    ),
  ),
  headers: fc.array(fc.record({ key: fc.string(), value: fc.string() })),
})

describe('a response', () => {
  it('is read by another implementation as it was written', () => {
    fc.assert(
      fc.property(responses, response => {
        expect(service.ShouldRateLimit.responseDeserialize(encodeResponse(response))).toEqual({
          overallCode: response.overallCode,
          statuses: response.statuses.map(({ code, currentLimit = null, limitRemaining, resetAfterMs }) => ({
            code,
            currentLimit,
            limitRemaining,
            durationUntilReset:
              resetAfterMs === undefined
                ? null
                : { seconds: Math.floor(resetAfterMs / 1_000), nanos: (resetAfterMs % 1_000) * 1_000_000 },
          })),
          responseHeadersToAdd: response.headers,
        })
      }),
      runs(30, 1_000),
    )
  })

  it.each([
    [0, '0s'],
    [12_000, '12s'],
    [250, '0.250s'],
    [2_678_400_001, '2678400.001s'],
  ])('has the time of %i ms in JSON as %s', (resetAfterMs, durationUntilReset) => {
    const response = {
      overallCode: 'OK',
      headers: [],
      statuses: [{ code: 'OK', limitRemaining: 0, resetAfterMs }],
    } as const
    expect(JSON.parse(responseJson(response)).statuses).toEqual([{ code: 'OK', durationUntilReset }])
  })
})
