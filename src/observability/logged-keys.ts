import { createHmac } from 'node:crypto'

export const KEY_STYLES = ['hash', 'plain', 'none'] as const
/** How callers' keys stand in logs. */
export type KeyStyle = (typeof KEY_STYLES)[number]

/** What stands in logs for a key; `undefined` for nothing. */
export type LoggedKey = (key: string) => string | undefined

const HASH_DIGITS = 12

/**
 * Keys often name people. By default they stand in logs as hashes, which are the same for the same key, and which only who has
 * the secret can tell from those of other keys.
 */
export function loggedKeys(style: KeyStyle, secret: string): LoggedKey {
  switch (style) {
    case 'hash':
      return key => createHmac('sha256', secret).update(key).digest('hex').slice(0, HASH_DIGITS)
    case 'plain':
      return key => key
    case 'none':
      return () => undefined
  }
}
