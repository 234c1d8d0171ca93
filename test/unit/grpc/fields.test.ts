import { describe, expect, it } from '@jest/globals'
import { statusFields } from '../../../src/grpc/status.ts'
import { timeoutMs } from '../../../src/grpc/timeout.ts'

describe('a timeout', () => {
  it.each([
    ['20m', 20],
    ['2S', 2_000],
    ['1M', 60_000],
    ['1H', 3_600_000],
    ['500u', 0.5],
    ['99999999n', 99.999999],
  ])('%s is %d ms', (field, ms) => {
    expect(timeoutMs(field)).toBeCloseTo(ms)
  })

  it.each(['', '20', 'm', '20ms', '-1m', '123456789m', ' 20m'])('is not %j', field => {
    expect(timeoutMs(field)).toBeUndefined()
  })
})

describe('a status', () => {
  it('is sent in ASCII', () => {
    expect(statusFields({ name: 'OK', message: '' })).toEqual({ 'grpc-status': '0' })
    expect(statusFields({ name: 'INVALID_ARGUMENT', message: '100 % é\n' })).toEqual({
      'grpc-status': '3',
      'grpc-message': '100 %25 %C3%A9%0A',
    })
  })
})
