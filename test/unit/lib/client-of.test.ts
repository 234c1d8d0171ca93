import { describe, expect, it } from '@jest/globals'
import { clientOf } from '../../../src/lib/client-of.ts'
import { isTrustable } from '../../../src/settings/trusted-proxies.ts'

describe('the client of an address', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002:ffff::', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001::1:2:3:4:5', '2001:0:0:1::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::203.0.113.7', '64:ff9b:0:0::/64'],
    ['::203.0.113.7', '0:0:0:0::/64'],
    ['203.0.113.7:5555', '203.0.113.7'],
    ['[2001:db8:1:2::9]:5555', '2001:db8:1:2::/64'],
    ['[2001:db8:1:2::9]', '2001:db8:1:2::/64'],
    ['[2001:db8:1:2::9', 'unknown'],
    ['203.0.113:5555', 'unknown'],
    ['203.0.113.7:', 'unknown'],
    ['unix', 'unknown'],
    ['', 'unknown'],
    // The caller has sent its request and reset the connection at once.
    [undefined, 'unknown'],
  ])('%s is %s', (address, client) => {
    expect(clientOf(address)).toBe(client)
  })

  it('is the same for all addresses of a /64, and another for the next', () => {
    expect(clientOf('2001:db8:1:2::1')).toBe(clientOf('2001:db8:1:2:ffff:ffff:ffff:ffff'))
    expect(clientOf('2001:db8:1:2::1')).not.toBe(clientOf('2001:db8:1:3::1'))
  })
})

describe('TRUST_PROXY', () => {
  it.each(['loopback', 'linklocal', 'uniquelocal', '10.0.0.1', '10.0.0.0/8', '::1', 'fd00::/8', '2001:db8::/128'])(
    'may contain %s',
    entry => expect(isTrustable(entry)).toBe(true),
  )

  it.each(['', 'true', 'proxy.example', '10.0.0.0/0', '10.0.0.0/33', '10.0.0.0/8/8', '::/129', '10.0.0.0/a', '1'])(
    'may not contain %j',
    entry => expect(isTrustable(entry)).toBe(false),
  )
})
