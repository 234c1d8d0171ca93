import { Type } from '@sinclair/typebox'
import { configKeyFault } from '../../domain/key.ts'
import { Problem } from '../../lib/errors.ts'

export const KeyParams = Type.Object({
  key: Type.String({
    description: 'A config key, percent-encoded: an exact key (`user:42`), a prefix (`user:*`) or `*`.',
    examples: ['user:*'],
  }),
})

/**
 * Refuses an invalid config key in a path.
 * @throws {Problem} `key-invalid`, `key-reserved`
 */
export function acceptConfigKey(key: string): void {
  const fault = configKeyFault(key)
  if (fault === undefined) return
  throw new Problem(fault.code, fault.detail, { members: { errors: [{ path: '/params/key', message: fault.detail }] } })
}
