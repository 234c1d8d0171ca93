import { describe, expect, it } from '@jest/globals'
import { configKeyWarnings } from '../../../src/config-change/config-key-warnings.ts'

describe('a warning is given for a config key', () => {
  it.each(['ip:10.0.0.0/8', '10.0.0.0/8', 'ip:0.0.0.0/0', 'face:10.1.2.3/32'])(
    'that names an IPv4 network: %s',
    key => {
      expect(configKeyWarnings(key)).toEqual([
        `the key "${key}" looks like a network, but matches only this text: keys are text, not addresses`,
      ])
    },
  )

  it.each(['ip:2001:db8::/32', '::/0', 'ip:fe80::1/128', 'ip:::ffff:10.0.0.0/104'])(
    'that names an IPv6 network: %s',
    key => {
      expect(configKeyWarnings(key)).toHaveLength(1)
    },
  )

  it.each(['ip:10.0.0.0/8*', 'ip:10.0.0.0/8:*'])('that is a prefix and names a network: %s', key => {
    expect(configKeyWarnings(key)).toEqual([expect.stringContaining('matches only keys that begin with this text')])
  })

  it.each([
    'user:42',
    'ip:10.0.0.1',
    'ip:10.*',
    'path:/v1/2',
    'v1.2/3',
    'ip:10.0.0.0/33',
    'ip:::/129',
    'a/8',
    '*',
    '1:2/3',
  ])('only if it names a network, not for %s', key => expect(configKeyWarnings(key)).toEqual([]))
})
