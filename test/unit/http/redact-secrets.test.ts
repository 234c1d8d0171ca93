import { describe, expect, it } from '@jest/globals'
import { redactSecrets } from '../../../src/http/redact-secrets.ts'

describe('the shown data of a job', () => {
  it('has the values of secret members redacted', () => {
    const secrets = {
      authorization: 'a',
      password: 'b',
      token: 'c',
      adminToken: 'd',
      api_key: 'e',
      'idempotency-key': 'f',
      idempotencyKey: 'g',
      clientSecret: 'h',
      Cookie: 'i',
    }
    const shown = redactSecrets({ list: [secrets], deep: { secrets } })
    const redacted = Object.fromEntries(Object.keys(secrets).map(name => [name, '[redacted]']))
    expect(shown).toEqual({ list: [redacted], deep: { secrets: redacted } })
  })

  it('is otherwise unchanged', () => {
    const data = {
      key: 'user:42',
      policy: { limits: [{ refillTokens: 1, capacity: 2 }] },
      requestId: 'r',
      nothing: null,
    }
    expect(redactSecrets(data)).toEqual(data)
    expect(redactSecrets('text')).toBe('text')
    expect(redactSecrets(undefined)).toBeUndefined()
  })
})
