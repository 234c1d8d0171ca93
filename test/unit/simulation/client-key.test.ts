import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { clientKey } from '../../../clients/typescript/src/index.ts'
import { combinedFormat, jsonFormat } from '../../../src/simulation/access-log.ts'
import { withClientKey } from '../../../src/simulation/client-key.ts'

const keyIn = (line: string) => withClientKey(jsonFormat('time'))(line).field('client_key')
const keyOf = (address: string) => keyIn(JSON.stringify({ remote_addr: address }))

/** A group of an address, often zero, also in upper case and with zeros in front. */
const group = fc.oneof(fc.constant('0'), fc.constantFrom('ffff', 'FFFF', '0000', '00a1', '1', '2001', 'Db8'))
const groups = (max: number) => fc.array(group, { maxLength: max }).map(texts => texts.join(':'))
const address = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.ipV4().map(ipv4 => `::ffff:${ipv4}`),
  fc.array(group, { minLength: 8, maxLength: 8 }).map(texts => texts.join(':')),
  fc.tuple(groups(3), groups(4)).map(([first, last]) => `${first}::${last}`),
)

describe('the field client_key', () => {
  it('is the key of the TypeScript client, whose keys those of the recipes are, for each spelling of an address', () => {
    fc.assert(
      fc.property(address, ip => {
        expect(keyOf(ip)).toBe(clientKey(ip))
      }),
      { numRuns: 2_000 },
    )
  })

  it.each([
    ['203.0.113.7', 'ip:203.0.113.7'],
    ['::ffff:203.0.113.7', 'ip:203.0.113.7'],
    ['::FFFF:cb00:7107', 'ip:203.0.113.7'],
    ['0:0:0:0:0:ffff:203.0.113.7', 'ip:203.0.113.7'],
    ['::ffff:203.0.113.7%eth0', 'ip:203.0.113.7'],
    ['2001:DB8:1:2:3:4:5:6', 'ip:2001:db8:1:2::/64'],
    ['2001:db8::1', 'ip:2001:db8::/64'],
    ['2001:db8:0:10::', 'ip:2001:db8:0:10::/64'],
    ['2001::1:2:3:4:5', 'ip:2001:0:0:1::/64'],
    ['64:ff9b::203.0.113.7', 'ip:64:ff9b::/64'],
    ['1:2:3:4:5:6:203.0.113.7', 'ip:1:2:3:4::/64'],
    ['::1', 'ip:::/64'],
    ['fe80::1%eth0', 'ip:fe80::/64'],
  ])('of %s is %s', (ip, key) => {
    expect([keyOf(ip), clientKey(ip)]).toEqual([key, key])
  })

  it.each(['host.example', 'unix:'])('contains %s, which is not an address, as it is', text => {
    expect(keyOf(text)).toBe(`ip:${text}`)
  })

  it('leaves the address of a line as it is', () => {
    const { field } = withClientKey(combinedFormat)(
      '2001:db8::1 - - [31/Jan/2026:15:03:00 +0100] "GET / HTTP/1.1" 200 5',
    )
    expect([field('remote_addr'), field('client_key')]).toEqual(['2001:db8::1', 'ip:2001:db8::/64'])
  })

  it('is the member of that name if a line has one, and needs an address otherwise', () => {
    expect(keyIn('{"client_key":"ip:x","remote_addr":"::1"}')).toBe('ip:x')
    expect(() => keyIn('{}')).toThrow('has no "remote_addr"')
  })
})
