import { describe, expect, it } from '@jest/globals'
import { DamagedRecord } from '../../../../src/config-change/damaged-store.ts'
import type { PolicyRecord } from '../../../../src/domain/policy-record.ts'
import { parseRecord, readRecord, recordJson } from '../../../../src/redis/policies/config-json.ts'
import { definitionOf, limitOf, quotaOf } from '../../../support/policies.ts'

const lasting = definitionOf()
const changed = { key: 'user:42', version: 2, updatedAt: '2026-01-31T12:00:00.000Z', updatedBy: 'ops' }
const temporary = { ...definitionOf({ mode: 'off' }), expiresAt: '2026-01-31T18:00:00.000Z', then: lasting }

const LASTING_JSON =
  '{"version":2,"policy":{"limits":[{"name":"default","capacity":10,"refillTokens":1,"refillIntervalMs":1000}],' +
  '"mode":"enforce"},"updatedAt":"2026-01-31T12:00:00.000Z","updatedBy":"ops"}'

/** Release 0.1.0 reads no record without a member `policy`. */
const isRefusedByRelease010 = (json: string) => !('policy' in JSON.parse(json))

describe('a stored policy record', () => {
  it('of a lasting policy is, byte for byte, that of release 0.1.0', () => {
    const { key, version, updatedAt, updatedBy } = changed
    expect(recordJson({ key, version, policy: lasting, updatedAt, updatedBy })).toBe(LASTING_JSON)
  })

  it.each<[what: string, record: PolicyRecord]>([
    ['a temporary policy', { ...changed, policy: temporary }],
    [
      'a temporary policy after another one',
      { ...changed, policy: temporary, lasting: definitionOf({ mode: 'shadow' }) },
    ],
    ['a temporary policy that nothing lasting precedes', { ...changed, policy: temporary, lasting: null }],
    ['a policy with a quota', { ...changed, policy: definitionOf({ limits: [limitOf(), quotaOf()] }) }],
    [
      'a policy with a shadow limit',
      { ...changed, policy: definitionOf({ limits: [limitOf(), limitOf({ name: 'stricter', shadow: true })] }) },
    ],
    ['a policy with overdraft', { ...changed, policy: definitionOf({ overdraft: true }) }],
    ['a recorded end', { ...changed, policy: lasting, isRecordedEnd: true }],
  ])('of %s has another shape, and is read as it was written', (_, record) => {
    const json = recordJson(record)
    expect(isRefusedByRelease010(json)).toBe(true)
    expect(readRecord(record.key, json)).toEqual(record)
  })

  it.each([
    ['expiresAt', { ...temporary, expiresAt: '2026-01-31T18:00:00Z' }],
    ['then', { ...temporary, then: { ...lasting, mode: 'lenient' } }],
    ['the kind of a limit', { limits: [{ ...limitOf(), kind: 'window' }], mode: 'enforce' }],
    ['a period', { limits: [{ ...quotaOf(), period: 'quarter' }], mode: 'enforce' }],
    ['a zone', { limits: [quotaOf({ timeZone: 'Mars/Base' })], mode: 'enforce' }],
    ['a zone for which there are no calendars', { limits: [quotaOf({ timeZone: 'PST' })], mode: 'enforce' }],
    ['an anchor', { limits: [quotaOf({ anchor: '2026-02-30T09:00' })], mode: 'enforce' }],
    ['the anchor of a minute', { limits: [quotaOf({ period: 'minute' })], mode: 'enforce' }],
    ['a kind that is not text', { limits: [{ ...limitOf(), kind: ['quota'] }], mode: 'enforce' }],
    ['shadow', { limits: [limitOf(), { ...limitOf({ name: 'b' }), shadow: false }], mode: 'enforce' }],
    ['overdraft', { ...definitionOf(), overdraft: false }],
    ['only shadow limits', { limits: [limitOf({ shadow: true })], mode: 'enforce' }],
    ['an end of what follows', { ...temporary, then: temporary }],
    ['no then', { ...temporary, then: undefined }],
  ])('is damaged by a malformed member: %s', (_, definition) => {
    const { key, ...rest } = changed
    expect(() => parseRecord(key, JSON.stringify({ ...rest, definition }))).toThrow(DamagedRecord)
  })

  it('is damaged by a malformed lasting policy', () => {
    const { key, ...rest } = changed
    const json = JSON.stringify({ ...rest, definition: temporary, lasting: { ...lasting, limits: [] } })
    expect(() => parseRecord(key, json)).toThrow(DamagedRecord)
  })
})
