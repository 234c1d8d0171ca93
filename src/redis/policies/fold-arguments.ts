import type { LogEntry } from '../../config-change/log-ports.ts'
import type { LogBounds } from '../../config-change/maintenance/ports.ts'
import type { ScriptArguments } from '../define-script.ts'
import type { ConfigKeys } from '../keys.ts'

/**
 * What `lua/fold.lua` takes.
 * @param entries the oldest of the log
 */
export function foldArguments(
  keys: ConfigKeys,
  { identity, compactedTo, last, lastEventMark }: LogBounds,
  entries: readonly LogEntry[],
): ScriptArguments {
  const lastByKey = new Map(entries.map(entry => [entry.event.key, entry]))
  const versions = Array.from(lastByKey.keys(), key => keys.versions(key))
  const names = [keys.log, keys.identity, keys.compactedTo, keys.snapshot, ...versions]
  const events = Array.from(lastByKey, ([key, entry]) => [key, JSON.stringify(entry), entry.event.version])
  const bounds = [identity ?? '', compactedTo, last, lastEventMark ?? '']
  const end = entries.at(-1)?.position ?? compactedTo
  return [names.length, ...names, ...bounds, end, ...events.flat()]
}
