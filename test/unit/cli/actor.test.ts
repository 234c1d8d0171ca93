import { expect, it } from '@jest/globals'
import { actorOf } from '../../../src/cli/actor.ts'

const noName = () => {
  throw new Error('ENOENT: no such user')
}

it('the actor is --actor, or else the name of the user', () => {
  expect(actorOf('ann', () => 'root')).toBe('ann')
  expect(actorOf(undefined, () => 'root')).toBe('root')
})

it('the actor is throttler-cli if the user has no name, or one that is not allowed', () => {
  for (const userName of [noName, () => 'Ann Smith', () => ''])
    expect(actorOf(undefined, userName)).toBe('throttler-cli')
})

it.each(['', 'a b', 'a:b', 'a,b', 'a\n', '\u001b[1m', 'x'.repeat(129)])('--actor %j is refused', name => {
  expect(() => actorOf(name, noName)).toThrow(`--actor must have 1 to 128 characters`)
})
