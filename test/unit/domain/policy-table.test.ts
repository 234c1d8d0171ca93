import { beforeEach, describe, expect, it } from '@jest/globals'
import { PolicyTable } from '../../../src/domain/policy-table.ts'
import { definitionOf, policyOf } from '../../support/policies.ts'

const builtIn = policyOf('default', {}, 0)
let table: PolicyTable
beforeEach(() => {
  table = new PolicyTable(builtIn)
})

function given(...configKeys: string[]): void {
  for (const configKey of configKeys) table.set(configKey, 1, definitionOf())
}

const matched = (key: string) => table.match(key).configKey

describe('the policy in force for a key', () => {
  it('is the built-in one by default', () => {
    expect(table.match('user:42')).toBe(builtIn)
  })

  it('is that of the key itself, else of its longest prefix, else the catch-all', () => {
    given('*', 'user:*', 'user:4*', 'user:42')
    expect(['user:42', 'user:43', 'user:5', 'ip:1'].map(matched)).toEqual(['user:42', 'user:4*', 'user:*', '*'])
  })

  it('does not depend on the order in which policies were set', () => {
    given('user:42', 'user:4*', 'user:*', '*')
    expect(['user:42', 'user:43', 'user:5', 'ip:1'].map(matched)).toEqual(['user:42', 'user:4*', 'user:*', '*'])
  })

  it('is that of a prefix, also for the prefix itself', () => {
    given('user:*')
    expect(matched('user:')).toBe('user:*')
    expect(matched('user')).toBe('default')
  })

  it('is found with a star in the key as an ordinary character', () => {
    given('user:*')
    expect(matched('user:*')).toBe('user:*')
    expect(matched('use*')).toBe('default')
  })

  it('is found by prefixes beyond ASCII, character by character', () => {
    given('ключ:*', '🦊*', '🦊🦊*', 'é*')
    expect(['ключ:1', '🦊', '🦊🦊x', '🐺', 'éa'].map(matched)).toEqual(['ключ:*', '🦊*', '🦊🦊*', 'default', 'é*'])
  })

  it('is not found by another spelling of the same character', () => {
    given('é*')
    expect(matched('e\u0301a')).toBe('default')
  })

  it('is the next best match after a deletion', () => {
    given('*', 'user:*', 'user:42')
    const matchedWithout = (configKey: string) => {
      table.delete(configKey)
      return matched('user:42')
    }
    expect(['user:42', 'user:*', '*'].map(matchedWithout)).toEqual(['user:*', '*', 'default'])
  })

  it('is still found by a prefix of the same length as a deleted one', () => {
    given('aa*', 'bb*')
    table.delete('aa*')
    expect(['aax', 'bbx'].map(matched)).toEqual(['default', 'bb*'])
  })

  it('is the one set last for its config key', () => {
    given('user:*')
    table.set('user:*', 2, definitionOf())
    expect(table.match('user:42').version).toBe(2)
    table.delete('user:*')
    expect(matched('user:42')).toBe('default')
  })
})

describe('the policy in force for a key whose caller names one', () => {
  const matchedAs = (key: string, name: string) => table.matchNamed(key, name)?.configKey

  it('is the named one, whether it is that of a key, of a prefix, of all keys, or the built-in one', () => {
    given('*', 'user:*', 'plan:gold', 'plan:*')
    const names = ['plan:gold', 'plan:*', '*', 'default']
    expect(names.map(name => matchedAs('user:42', name))).toEqual(names)
    expect(table.matchNamed('user:42', 'default')).toBe(builtIn)
  })

  it('is that of the key itself if there is one, even if there is none of this name', () => {
    given('user:42', 'plan:gold')
    expect(['plan:gold', 'default', 'plan:gone'].map(name => matchedAs('user:42', name))).toEqual(
      Array(3).fill('user:42'),
    )
  })

  it('is none if there is none of this name, even if others match', () => {
    given('*', 'user:*', 'plan:*')
    expect(['plan:gold', 'plan:', 'user:42', 'user*'].map(name => matchedAs('user:42', name))).toEqual(
      Array(4).fill(undefined),
    )
  })

  it('is no longer the named one after its deletion', () => {
    given('plan:gold', 'plan:*')
    for (const name of ['plan:gold', 'plan:*']) {
      table.delete(name)
      expect(matchedAs('user:42', name)).toBeUndefined()
    }
  })
})

describe('the table of policies', () => {
  it('returns a policy for its own config key only', () => {
    given('user:*', 'user:42')
    expect(table.get('user:*')?.configKey).toBe('user:*')
    expect(table.get('user:42')?.configKey).toBe('user:42')
    expect(table.get('user:43')).toBeUndefined()
  })

  it('lists the config keys of its policies', () => {
    given('*', 'user:*', 'user:42')
    table.delete('nothing')
    table.delete('nothing*')
    expect([...table.configKeys()].sort()).toEqual(['*', 'user:*', 'user:42'])
    expect(table.size).toBe(3)
  })

  it.each(['user:42', 'user:*'])('shares one definition between equal policies, here with %s', configKey => {
    const [first, equal, other] = [definitionOf(), definitionOf(), definitionOf({ description: 'another' })]
    table.set('first', 1, first)
    table.set(configKey, 1, other)
    expect(table.get(configKey)?.definition).toBe(other)
    table.set(configKey, 2, equal)
    expect(table.get(configKey)?.definition).toBe(first)
    expect(table.get(configKey)?.limits).toBe(table.get('first')?.limits)
  })

  it('distinguishes a definition without a description from one with an empty description', () => {
    table.set('without', 1, definitionOf())
    table.set('empty', 1, definitionOf({ description: '' }))
    expect(table.get('empty')?.definition).toEqual({ ...definitionOf(), description: '' })
  })

  it('forgets a definition once no policy has it', () => {
    const [forgotten, later] = [definitionOf(), definitionOf()]
    for (const configKey of ['deleted', 'changed', 'changed:*']) table.set(configKey, 1, forgotten)
    table.delete('deleted')
    for (const configKey of ['changed', 'changed:*']) table.set(configKey, 2, definitionOf({ mode: 'off' }))
    table.set('later', 1, later)
    expect(table.get('later')?.definition).toBe(later)
  })
})

describe('a policy for descriptors', () => {
  const descriptor = { domain: 'edge', entries: [{ key: 'a', value: 'b' }] }

  it('is found for descriptors only, and no other policy is', () => {
    given('*', 'r*', 'rls;edge;a=b*', 'rls;edge;a')
    expect(table.matchDescriptor(descriptor)?.configKey).toBe('rls;edge;a=b*')
    expect(table.matchDescriptor({ ...descriptor, domain: 'other' })).toBeUndefined()
    expect(table.get('rls;edge;a=b*')?.configKey).toBe('rls;edge;a=b*')
    expect(matched('rls;edge;a=bc')).toBe('r*')
  })

  it('is counted, listed and deleted like others', () => {
    given('user:*', 'rls;edge;a=b*', 'rls;edge;a')
    expect([table.size, [...table.configKeys()].sort()]).toEqual([3, ['rls;edge;a', 'rls;edge;a=b*', 'user:*']])
    table.delete('rls;edge;a=b*')
    expect(table.matchDescriptor(descriptor)?.configKey).toBe('rls;edge;a')
    table.delete('rls;edge;a')
    expect([table.matchDescriptor(descriptor), table.size]).toEqual([undefined, 1])
  })
})
