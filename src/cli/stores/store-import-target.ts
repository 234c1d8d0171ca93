import { randomUUID } from 'node:crypto'
import { resultBody } from '../../config-change/http/import-json.ts'
import { dryRunImport, type ImportDryRun } from '../../config-change/import/dry-run-import.ts'
import { stageImport } from '../../config-change/import/stage-import.ts'
import { importId } from '../../domain/command-id.ts'
import { RedisPolicyReader } from '../../redis/policies/policy-reader.ts'
import { failureOf } from '../backend/failure.ts'
import type { ImportBody, ImportOptions, ImportTarget } from '../backend/import-target.ts'
import { type PolicyStoreAccess, StoreTrouble, storeTroubleOf } from '../with-policy-store.ts'
import { awaitImport, PART_MAY_BE_APPLIED } from './await-import.ts'
import { changeFlow } from './change-flow.ts'

/** Imports into the policy store, without the service. A worker applies what it stages there. */
export class StoreImportTarget implements ImportTarget {
  readonly #access: PolicyStoreAccess
  readonly #actor: string

  constructor(access: PolicyStoreAccess, actor: string) {
    this.#access = access
    this.#actor = actor
  }

  async apply(file: AsyncIterable<Buffer>, { prune, reason, ...wait }: ImportOptions): Promise<ImportBody> {
    const { queue, statuses, staging, submitter } = changeFlow(this.#access)
    try {
      const id = importId(randomUUID())
      const fingerprint = await stageImport({ id, file, prune }, staging)
      const submission = {
        ...{ id, actor: this.#actor, requestId: id, fingerprint },
        ...(reason !== undefined && { reason }),
        ...(prune !== undefined && { prune }),
      }
      const result = await sayingThatPartMayBeApplied(async () => {
        await submitter.submitImport(submission, { waitMs: 0, idempotencyKey: undefined })
        return awaitImport(id, { statuses, isTaken: part => queue.isTaken(part), ...wait })
      })
      if (result.status !== 'applied') throw failureOf(result.error)
      return resultBody(id, result.counts)
    } finally {
      await queue.close()
    }
  }

  compare(file: AsyncIterable<Buffer>, prune: string | undefined): Promise<ImportDryRun> {
    const { redis, env } = this.#access
    const reader = new RedisPolicyReader(redis, env.KEY_PREFIX)
    return dryRunImport(file, { reader, at: new Date().toISOString(), prune, nextTurn: async () => undefined })
  }
}

/** Once an import is submitted, workers may apply it before the store becomes unavailable. */
async function sayingThatPartMayBeApplied<T>(use: () => Promise<T>): Promise<T> {
  try {
    return await use()
  } catch (err) {
    const trouble = storeTroubleOf(err)
    throw trouble === undefined ? err : new StoreTrouble(`${trouble.message}; ${PART_MAY_BE_APPLIED}`)
  }
}
