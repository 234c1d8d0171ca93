import { expect, it } from '@jest/globals'
import { actorOf } from '../../../src/cli/actor.ts'

const noName = () => {
  throw new Error('ENOENT: no such user')
}

it('is the name that was given, or else the name of the user', () => {
  expect(actorOf('ann', () => 'root')).toBe('ann')
  expect(actorOf(undefined, () => 'root')).toBe('root')
})

it('has a fallback for a user without a name, or with one that is not allowed', () => {
  for (const userName of [noName, () => 'Ann Smith', () => ''])
    expect(actorOf(undefined, userName)).toBe('throttler-cli')
})

it.each(['', 'a b', 'a:b', 'a,b', 'a\n', '\u001b[1m', 'x'.repeat(129)])('%j is refused', name => {
  expect(() => actorOf(name, noName)).toThrow(`--actor must have 1 to 128 characters`)
})
