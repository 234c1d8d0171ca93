import type { LogBounds } from '../../config-change/maintenance/ports.ts'
import type { RedisClient } from '../connection/connection.ts'
import { type DefinedScript, defineScript } from '../define-script.ts'
import type { ConfigKeys } from '../keys.ts'
import { replaceScript } from '../scripts.ts'

export interface Replacement {
  /** The key to replace. */
  readonly inUse: string
  readonly draft: string
  /** Whether the draft exists; without it, the key in use is only deleted. */
  readonly hasDraft: boolean
}

/** Replaces keys by drafts that were made from the log at these bounds. */
export class KeyReplacer {
  readonly #keys: ConfigKeys
  readonly #run: DefinedScript<0 | 1>

  constructor(redis: RedisClient, keys: ConfigKeys) {
    this.#keys = keys
    this.#run = defineScript(redis, 'throttlerReplace', replaceScript)
  }

  /** @param identity the log's new identity, '' to keep the present one @returns false if the log has changed */
  async replace(replacements: readonly Replacement[], at: LogBounds, identity = ''): Promise<boolean> {
    const { log, identity: identityKey, compactedTo } = this.#keys
    const pairs = replacements.flatMap(({ inUse, draft }) => [inUse, draft])
    const touched = [log, identityKey, compactedTo, ...pairs]
    const existing = replacements.map(({ hasDraft }) => (hasDraft ? '1' : '0'))
    const bounds = [at.identity ?? '', at.compactedTo, at.last]
    return (await this.#run(touched.length, ...touched, ...bounds, identity, ...existing)) === 1
  }
}
