import type { PolicyEvent } from '../domain/events.ts'
import { recordOf } from '../domain/policy-record.ts'
import { endOf } from '../domain/temporary-policy.ts'
import type { ConfigKeys } from '../redis/keys.ts'
import { recordJson } from '../redis/policies/config-json.ts'
import type { Command } from './commands.ts'

/**
 * Collects the policies of a batch of events, so that few commands store them: one command for each would take a fifth of the time
 * of a replay.
 */
export class ReplayedPolicies {
  readonly #keys: ConfigKeys
  readonly #lastEvents = new Map<string, PolicyEvent>()
  /** The keys whose end is stored. */
  readonly #temporary = new Set<string>()

  constructor(keys: ConfigKeys) {
    this.#keys = keys
  }

  add(event: PolicyEvent): void {
    this.#lastEvents.set(event.key, event)
  }

  /** Returns the commands that store them, and clears the batch. */
  take(): Command[] {
    const { policies, names } = this.#keys
    const events = [...this.#lastEvents.values()]
    this.#lastEvents.clear()
    const held = events.map(recordOf).filter(record => record !== undefined)
    const deleted = events.filter(({ policy }) => policy === null).map(({ key }) => key)
    const commands: Command[] = []
    if (held.length > 0) {
      commands.push(['HSET', policies, ...held.flatMap(record => [record.key, recordJson(record)])])
      commands.push(['ZADD', names, ...held.flatMap(({ key }) => [0, key])])
    }
    if (deleted.length > 0) commands.push(['HDEL', policies, ...deleted], ['ZREM', names, ...deleted])
    return [...commands, ...events.flatMap(event => this.#endCommands(event))]
  }

  /** Temporary policies are few, and the others need no command. */
  #endCommands({ key, policy }: PolicyEvent): Command[] {
    const { ends } = this.#keys
    const end = endOf(policy)
    if (end === undefined) return this.#temporary.delete(key) ? [['ZREM', ends, key]] : []
    this.#temporary.add(key)
    return [['ZADD', ends, end, key]]
  }
}
