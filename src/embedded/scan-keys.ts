import { setImmediate as nextTurn } from 'node:timers/promises'
import type { InProcessConnection } from './in-process-connection.ts'

/** About as many keys are looked at in a turn of the event loop. */
const KEYS_PER_SCAN = 500

/** The names of all keys that match, in pieces between which the process does other work. */
export async function* scanKeys(
  store: Pick<InProcessConnection, 'call'>,
  pattern: string,
): AsyncGenerator<readonly string[]> {
  let cursor = '0'
  do {
    const scanned = store.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', KEYS_PER_SCAN)
    const [next, keys] = scanned as [string, string[]]
    yield keys
    cursor = next
    await nextTurn()
  } while (cursor !== '0')
}
