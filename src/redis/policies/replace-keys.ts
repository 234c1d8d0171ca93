import type { DraftUse, LogBounds } from '../../config-change/maintenance/ports.ts'
import type { RedisClient } from '../connection/connection.ts'
import { type DefinedScript, defineScript } from '../define-script.ts'
import type { ConfigKeys } from '../keys.ts'
import { replaceScript } from '../scripts.ts'
import type { DraftWrites } from './draft-writes.ts'

const RESULTS = ['log-changed', 'used', 'draft-lost'] as const satisfies readonly DraftUse[]

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
  readonly #run: DefinedScript<0 | 1 | 2>

  constructor(redis: RedisClient, keys: ConfigKeys) {
    this.#keys = keys
    this.#run = defineScript(redis, 'throttlerReplace', replaceScript)
  }

  /** @param writes those of all drafts @param identity the log's new identity, '' to keep the present one */
  async replace(
    replacements: readonly Replacement[],
    writes: DraftWrites,
    at: LogBounds,
    identity = '',
  ): Promise<DraftUse> {
    const { log, identity: identityKey, compactedTo, writeProbe } = this.#keys
    const pairs = replacements.flatMap(({ inUse, draft }) => [inUse, draft])
    const touched = [log, identityKey, compactedTo, writes.counter, writeProbe, ...pairs]
    const existing = replacements.map(({ hasDraft }) => (hasDraft ? '1' : '0'))
    const bounds = [at.identity ?? '', at.compactedTo, at.last, at.lastEventMark ?? '']
    return RESULTS[await this.#run(touched.length, ...touched, ...bounds, identity, writes.sent, ...existing)]
  }
}
