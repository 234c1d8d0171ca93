import { expect, it } from '@jest/globals'
import { acceptBucketKey, acceptKey, conditionsOf, integer, timeoutMsOf } from '../../../src/cli/backend-options.ts'

it('--if-version is a condition on the version', () => {
  expect(conditionsOf({})).toBeUndefined()
  expect(conditionsOf({ 'if-version': '3' })).toEqual({ ifMatch: [3] })
  expect(conditionsOf({ 'if-version': '3-ended' })).toEqual({ ifMatch: ['3-ended'] })
  expect(conditionsOf({ 'if-version': 'none' })).toEqual({ ifNoneMatch: '*' })
})

it.each(['', '0', '-1', '1.0', '"3"', '*', '3-', 'ended', '1'.repeat(16)])('--if-version %j is refused', given => {
  expect(() => conditionsOf({ 'if-version': given })).toThrow(
    `--if-version must be a version such as 3 or 3-ended, or none (got ${JSON.stringify(given)})`,
  )
})

it('a key of descriptors can be reset, but not checked', () => {
  const key = 'rls;x;k=v'
  expect(acceptBucketKey(key)).toBe(key)
  expect(() => acceptKey(key)).toThrow('the key "rls;x;k=v" is reserved')
  for (const accept of [acceptKey, acceptBucketKey]) expect(() => accept('')).toThrow('the key is empty')
})

it('--timeout is in seconds, and without it there is no limit', () => {
  expect(timeoutMsOf({ timeout: '5' })).toBe(5000)
  expect(timeoutMsOf({})).toBe(Number.POSITIVE_INFINITY)
})

it.each(['', ' 1', '1e1', '0x1', '01', '-1', '11', 'x'])('the number %j is refused, with what is allowed', given => {
  expect(() => integer('--tokens', given, { min: 0, max: 10 })).toThrow(
    `--tokens must be an integer between 0 and 10 (got ${JSON.stringify(given)})`,
  )
})
