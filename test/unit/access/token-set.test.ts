import { expect, it } from '@jest/globals'
import { TokenSet } from '../../../src/access/token-set.ts'

const token = (name: string, text: string) => ({ name, token: text, readOnly: false })

it('a token is found by its text alone, and of two that are the same the first', () => {
  const tokens = new TokenSet([token('a', 'secret-1'), token('b', 'secret-2'), token('c', 'secret-1')])
  expect(tokens.find('secret-1')?.name).toBe('a')
  expect(tokens.find('secret-2')?.name).toBe('b')
  for (const wrong of [undefined, '', 'secret', 'secret-11', 'SECRET-1']) expect(tokens.find(wrong)).toBeUndefined()
})

it('a set without tokens is empty', () => {
  expect(new TokenSet([]).isEmpty).toBe(true)
  expect(new TokenSet([token('a', 'secret')]).isEmpty).toBe(false)
})
