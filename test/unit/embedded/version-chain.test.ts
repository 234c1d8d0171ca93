import { expect, it } from '@jest/globals'
import { VersionChain } from '../../../src/embedded/version-chain.ts'
import { definitionOf } from '../../support/policies.ts'

const policy = definitionOf()
const [BEFORE, END, LATER] = [8, 9, 10].map(hour => `2026-01-31T${String(hour).padStart(2, '0')}:00:00.000Z`) as [
  string,
  string,
  string,
]

it('the chain accepts the versions of each key without gaps, and reports the one that is missing', () => {
  const chain = new VersionChain()
  const accept = (key: string, version: number) => chain.accept({ key, version, policy })
  expect([accept('a', 1), accept('b', 1), accept('a', 2)]).toEqual([undefined, undefined, undefined])
  expect([accept('a', 2), accept('a', 4), accept('c', 2), accept('c', 0)]).toEqual([3, 3, 1, 1])
  expect(accept('a', 3)).toBeUndefined()
})

it('the chain of a compacted key begins with any version', () => {
  const chain = new VersionChain()
  expect(chain.acceptCompacted({ key: 'a', version: 7, policy })).toBeUndefined()
  expect(chain.accept({ key: 'a', version: 9, policy })).toBe(8)
  expect(chain.accept({ key: 'a', version: 8, policy })).toBeUndefined()
  expect(chain.acceptCompacted({ key: 'a', version: 8, policy })).toBe(9)
})

it('the chain knows which keys have a policy', () => {
  const chain = new VersionChain()
  const has = (at = BEFORE) => chain.hasPolicy('a', at)
  expect(has()).toBe(false)
  chain.accept({ key: 'a', version: 1, policy })
  expect(has()).toBe(true)
  chain.accept({ key: 'a', version: 2, policy: null })
  expect(has()).toBe(false)
  expect(chain.accept({ key: 'a', version: 3, policy })).toBeUndefined()
  expect(has()).toBe(true)
})

it('the chain knows that a temporary policy ends', () => {
  const chain = new VersionChain()
  const has = (at: string) => chain.hasPolicy('a', at)
  chain.accept({ key: 'a', version: 1, policy: { ...policy, expiresAt: END, then: null } })
  expect([has(BEFORE), has(END), has(LATER)]).toEqual([true, false, false])
  chain.accept({ key: 'a', version: 2, policy: { ...policy, expiresAt: END, then: policy } })
  expect([has(BEFORE), has(END), has(LATER)]).toEqual([true, true, true])
})
