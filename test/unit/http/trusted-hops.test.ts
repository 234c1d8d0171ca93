import { expect, it } from '@jest/globals'
import { trustHops } from '../../../src/http/trusted-hops.ts'

it('trusts the proxies that are named, and nobody else', () => {
  const isTrusted = trustHops(['loopback', '10.0.0.0/8'])
  expect(['127.0.0.1', '::1', '10.1.2.3', '203.0.113.7', 'unknown'].map(address => isTrusted(address, 1))).toEqual([
    true,
    true,
    true,
    false,
    false,
  ])
})

it('looks at sixteen addresses of a path at most', () => {
  const isTrusted = trustHops(['10.0.0.0/8'])
  const trusted = Array.from({ length: 100 }, (_, hop) => isTrusted('10.0.0.1', hop))
  expect(trusted.lastIndexOf(true)).toBe(15)
})

it('trusts a proxy also if its address has a port or brackets', () => {
  const isTrusted = trustHops(['10.0.0.0/8', 'fd00::/8'])
  const trusted = ['10.0.0.1:4711', '[::ffff:10.0.0.1]', '[::ffff:10.0.0.1]:4711', '[fd00::1]:4711', '[fd00::1]']
  const others = ['203.0.113.7:4711', '[2001:db8::1]:4711', '[10.0.0.1', '10.0.0.1:', '10.0.0:1', '[]']
  expect(trusted.filter(address => !isTrusted(address, 1))).toEqual([])
  expect(others.filter(address => isTrusted(address, 1))).toEqual([])
})
