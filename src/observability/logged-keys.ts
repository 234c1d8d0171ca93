import { createHmac } from 'node:crypto'

export const KEY_STYLES = ['hash', 'plain', 'none'] as const
/** How keys appear in logs. */
export type KeyStyle = (typeof KEY_STYLES)[number]

/** A key as it appears in logs; `undefined` leaves it out. */
export type LoggedKey = (key: string) => string | undefined

const HASH_DIGITS = 12

/**
 * Keys often name people, so by default logs show hashes. One key always has the same hash; without the secret nobody can find
 * the key of a hash by trying.
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
