import { expect, it } from '@jest/globals'
import { pruneFault, prunePrefix } from '../../../../src/config-change/import/prune-prefix.ts'
import { configKeyFault } from '../../../../src/domain/key.ts'

/** Each beginning of these keys is a prefix. */
const CONFIG_KEYS = [
  'user:42',
  'default:x',
  '..x',
  'rls;mongo;database=users;code=*',
  'rls;mongo;path=/a*;method',
  'rls;mo%3Bngo;a%3D=%2A%C3',
  'rls;é;%C2%85=%25',
  'x'.repeat(256),
  `rls;${'x'.repeat(249)};k=`,
]

it.each(CONFIG_KEYS)('an import prunes by every beginning of the config key %j', key => {
  expect(configKeyFault(key)).toBeUndefined()
  const beginnings = Array.from(key, (_, i) => key.slice(0, i + 1))
  expect(beginnings.map(pruneFault).filter(fault => fault !== undefined)).toEqual([])
  expect(beginnings.map(prunePrefix)).toEqual(beginnings)
})

it.each([
  ['*', ''],
  ['user:*', 'user:'],
  ['rls*', 'rls'],
  ['rls;mongo;path=/a*', 'rls;mongo;path=/a*'],
])('an import prunes by %j the config keys that begin with %j', (given, prefix) => {
  expect(pruneFault(given)).toBeUndefined()
  expect(prunePrefix(given)).toBe(prefix)
})

it.each([
  ['', /^is empty; give a prefix of config keys such as "user:", or "\*" for all of them$/],
  ['us*er', /^must be a prefix of config keys such as "user:", or "\*" for all of them: .*"\*" at position 3/],
  ['user:**', /"\*" at position 6/],
  ['a\nb', /control character U\+000A/],
  ['x'.repeat(257), /the key has 257 bytes/],
  ['rls;;', /has the form "rls;DOMAIN;KEY=VALUE;KEY=VALUE…"; was "rls;;"$/],
  ['rls;{', /has the form/],
  ['rls;mongo;=', /the entry "=" of .* has no key/],
  ['rls;mongo;a=*b', /the value "\*b" is not encoded/],
  ['rls;mongo;a=%4', /the value "%4" is not encoded/],
  ['rls;mongo;a=%C3%A', /the value "%C3%A" is not encoded/],
  [`rls;${'x'.repeat(251)};`, /has the form|the entry/],
])('an import does not prune by %j, with which no config key begins', (given, fault) => {
  expect(pruneFault(given)).toMatch(fault)
})
