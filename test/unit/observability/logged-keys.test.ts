import { describe, expect, it } from '@jest/globals'
import { loggedKeys } from '../../../src/observability/logged-keys.ts'

describe('a key in a log', () => {
  it('is a hash of 12 hex digits, the same for the same key and secret only', () => {
    const logged = loggedKeys('hash', 'secret')
    expect(logged('user:42')).toMatch(/^[0-9a-f]{12}$/)
    expect(logged('user:42')).toBe(loggedKeys('hash', 'secret')('user:42'))
    expect(logged('user:42')).not.toBe(logged('user:43'))
    expect(logged('user:42')).not.toBe(loggedKeys('hash', 'another')('user:42'))
  })

  it('is the key itself where LOG_KEYS=plain, and nothing where LOG_KEYS=none', () => {
    expect(loggedKeys('plain', 'secret')('user:42')).toBe('user:42')
    expect(loggedKeys('none', 'secret')('user:42')).toBeUndefined()
  })
})
