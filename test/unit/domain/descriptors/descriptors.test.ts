import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  type Descriptor,
  descriptorIn,
  descriptorKey,
  descriptorPattern,
  descriptorPatternFault,
} from '../../../../src/domain/descriptors/descriptor-pattern.ts'
import { encodedPart, encodedText, isEncoded } from '../../../../src/domain/descriptors/descriptor-text.ts'
import { DescriptorTree } from '../../../../src/domain/descriptors/descriptor-tree.ts'

const MEGABYTE = 1024 * 1024

const bytes = (text: string) => new TextEncoder().encode(text)

describe('the text of a part of a descriptor', () => {
  it('encodes what has a meaning, and nothing else', () => {
    expect(encodedText('value', 'a;b=c*{d}%\u0000é\u0085 /')).toBe('a%3Bb=c%2A%7Bd%7D%25%00é%C2%85 /')
    expect(encodedText('key', 'a;b=c*')).toBe('a%3Bb%3Dc*')
    expect(encodedText('domain', 'a;b=c*')).toBe('a%3Bb=c*')
  })

  it('encodes bytes that are not UTF-8, each by itself', () => {
    expect(encodedPart('value', Uint8Array.of(0x61, 0xff, 0xc3, 0xa9, 0xc3, 0xf0, 0x9f, 0x99))).toBe(
      'a%FFé%C3%F0%9F%99',
    )
    expect(encodedPart('value', bytes('\uFEFFa'))).toBe('\uFEFFa')
    expect(encodedPart('value', Uint8Array.of(0xf8, 0xbf, 0xbf, 0xbf))).toBe('%F8%BF%BF%BF')
    expect(encodedPart('value', Uint8Array.of(0xf0, 0xbf, 0xbf, 0xbf))).toBe('\u{3FFFF}')
  })

  it.each([
    ['percent signs', '%'],
    ['control characters', '\u0085'],
    ['bytes that are not UTF-8', 0xff],
  ])('encodes a megabyte of %s', (_what, fill) => {
    expect(encodedPart('value', Buffer.alloc(MEGABYTE, fill)).length).toBe(3 * MEGABYTE)
  })

  it('is different for different bytes, and is recognized', () => {
    const part = fc.constantFrom('domain', 'key', 'value').map(name => name as 'domain' | 'key' | 'value')
    const anyBytes = fc.oneof(fc.uint8Array({ maxLength: 6 }), fc.string({ maxLength: 6 }).map(bytes))
    fc.assert(
      fc.property(part, anyBytes, anyBytes, (name, a, b) => {
        expect(isEncoded(name, encodedPart(name, a))).toBe(true)
        expect(encodedPart(name, a) === encodedPart(name, b)).toBe(Buffer.from(a).equals(Buffer.from(b)))
        expect(encodedPart(name, a)).not.toMatch(/[;{}\p{Cc}]/u)
      }),
    )
  })

  it.each(['%', '%3', '%3b', '%41', 'a;', '{', '%C3%A9', '\u0007'])('is not %j', text => {
    expect(isEncoded('value', text)).toBe(false)
  })
})

describe('the config key of a policy for descriptors', () => {
  it.each([
    'rls;edge;remote_address',
    'rls;edge;remote_address=50.0.0.5',
    'rls;api;path=/v1/*;method',
    'rls;api;path=*',
    'rls;a%3Bb;k%3D=v%2A;k=',
  ])('can be %s', key => {
    expect(descriptorPatternFault(key)).toBeUndefined()
  })

  it.each([
    ['rls;', /has the form "rls;DOMAIN;KEY=VALUE;KEY=VALUE…"; was "rls;"/],
    ['rls;edge', /has the form/],
    ['rls;;a=b', /has the form/],
    ['rls;edge;', /the entry "" of .* has no key/],
    ['rls;edge;=b', /the entry "=b" of .* has no key/],
    ['rls;edge;a=b*c', /the value "b\*c" is not encoded/],
    ['rls;edge;a=b**', /the value "b\*" is not encoded/],
    ['rls;edge;a=%3b', /the value "%3b" is not encoded/],
    ['rls;edge;a=%41', /the value "%41" is not encoded/],
    ['rls;ed{g}e;a=b', /the domain "ed\{g\}e" is not encoded/],
  ])('cannot be %s', (key, why) => {
    expect(descriptorPatternFault(key)).toMatch(why)
  })
})

function treeOf(...keys: readonly string[]): DescriptorTree<string> {
  const tree = new DescriptorTree<string>()
  for (const key of keys) tree.set(descriptorPattern(key), key)
  return tree
}

const descriptor = (text: string): Descriptor => {
  const found = descriptorIn(text)
  if (found === undefined) throw new Error(`${text} has an entry without a value`)
  return found
}

describe('the tree of patterns', () => {
  const tree = treeOf(
    'rls;d;a',
    'rls;d;a=x',
    'rls;d;a=pre*',
    'rls;d;a=prefix*',
    'rls;d;a=x;b=1',
    'rls;d;a=p*;b=2',
    'rls;d;a;b=3',
    'rls;other;a=x',
  )

  it.each([
    ['rls;d;a=x', 'rls;d;a=x'],
    ['rls;d;a=y', 'rls;d;a'],
    ['rls;d;a=pre', 'rls;d;a=pre*'],
    ['rls;d;a=prefixes', 'rls;d;a=prefix*'],
    ['rls;d;a=x;b=1', 'rls;d;a=x;b=1'],
    ['rls;d;a=x;b=3', 'rls;d;a;b=3'],
    ['rls;d;a=px;b=3', 'rls;d;a;b=3'],
    ['rls;d;a=px;b=2', 'rls;d;a=p*;b=2'],
    ['rls;d;a=x;b=4', undefined],
    ['rls;d;b=1', undefined],
    ['rls;d;a=x;b=1;c=1', undefined],
    ['rls;none;a=x', undefined],
    ['rls;d', undefined],
  ])('answers %s by %s', (text, key) => {
    expect(tree.match(descriptor(text))).toBe(key)
  })

  it('looks at no pattern of other entries if no policy has one for an entry', () => {
    const prefixes = Array.from({ length: 50 }, (_, i) => `${'a'.repeat(i + 1)}*`)
    const nested = treeOf(...prefixes.flatMap(first => prefixes.map(second => `rls;d;a=${first};b=${second};c=1`)))
    let reads = 0
    const long = (key: string) => ({
      key,
      get value() {
        reads++
        return 'a'.repeat(50)
      },
    })
    const match = (value: string) => nested.match({ domain: 'd', entries: [long('a'), long('b'), { key: 'c', value }] })
    expect([match('1'), match('2')]).toEqual([`rls;d;a=${prefixes[49]};b=${prefixes[49]};c=1`, undefined])
    expect(reads).toBeLessThan(10)
  })

  it('finds what a search of all patterns finds, also after deletions', () => {
    const value = fc.constantFrom('', '=', '=a', '=ab', '=a*', '=ab*', '=*')
    const entry = fc.tuple(fc.constantFrom('k', 'l'), value).map(([key, text]) => key + text)
    const entries = fc.array(entry, { minLength: 1, maxLength: 3 })
    const key = entries.map(list => ['rls', 'd', ...list].join(';'))
    const asked = fc.array(fc.tuple(fc.constantFrom('k', 'l'), fc.constantFrom('', 'a', 'ab', 'abc', 'b')), {
      minLength: 1,
      maxLength: 3,
    })
    fc.assert(
      fc.property(fc.uniqueArray(key, { maxLength: 20 }), fc.nat(20), asked, (keys, deleted, list) => {
        const present = treeOf(...keys)
        for (const key of keys.slice(0, deleted)) present.delete(descriptorPattern(key))
        const found = { domain: 'd', entries: list.map(([key, value]) => ({ key, value })) }
        expect(present.match(found)).toBe(firstMatch(keys.slice(deleted), found))
        for (const key of keys) present.delete(descriptorPattern(key))
        expect(present).toEqual(new DescriptorTree())
      }),
    )
  })
})

/** The most specific of all patterns that match: compared entry by entry, from the first. */
function firstMatch(keys: readonly string[], { entries }: Descriptor): string | undefined {
  const ranked = keys.flatMap(key => {
    const patterns = key.split(';').slice(2)
    if (patterns.length !== entries.length) return []
    const ranks = patterns.map((pattern, i) => rank(pattern, entries[i]?.key ?? '', entries[i]?.value ?? ''))
    return ranks.includes(undefined) ? [] : [{ key, ranks: ranks as number[] }]
  })
  ranked.sort((a, b) => a.ranks.map((n, i) => n - (b.ranks[i] ?? 0)).find(difference => difference !== 0) ?? 0)
  return ranked[0]?.key
}

/** The lower, the more specific; `undefined` if the entry does not match. */
function rank(pattern: string, key: string, value: string): number | undefined {
  const [name, wanted] = pattern.split(/=(.*)/s)
  if (name !== key) return undefined
  if (wanted === undefined) return 1_000
  if (!wanted.endsWith('*')) return wanted === value ? 0 : undefined
  return value.startsWith(wanted.slice(0, -1)) ? 100 - wanted.length : undefined
}

describe('the key of a descriptor', () => {
  it('is its text, from which it can be read again', () => {
    const text = 'rls;edge;remote_address=50.0.0.5;path=/v1=x'
    expect(descriptorKey(descriptor(text))).toBe(text)
    expect(descriptorIn('rls;edge;remote_address')).toBeUndefined()
  })
})
