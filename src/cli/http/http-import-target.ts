import type { ImportDryRun } from '../../config-change/import/dry-run-import.ts'
import { NDJSON } from '../../config-change/import/ndjson.ts'
import type { ImportBody, ImportOptions, ImportTarget } from '../backend/import-target.ts'
import { ask, successOf } from './answer.ts'
import { awaitAccepted } from './await-accepted.ts'
import type { ServiceClient } from './client.ts'
import { preferWait, reasonField } from './fields.ts'

const CONTENT = { 'content-type': NDJSON } as const

/** Imports through the service over HTTP. A file is sent as it is read. */
export class HttpImportTarget implements ImportTarget {
  readonly #client: ServiceClient

  constructor(client: ServiceClient) {
    this.#client = client
  }

  async apply(body: AsyncIterable<Buffer>, { prune, reason, ...wait }: ImportOptions): Promise<ImportBody> {
    const headers = { ...CONTENT, ...preferWait(wait.timeoutMs), ...reasonField(reason) }
    const answer = await ask(this.#client, { method: 'POST', path: pathOf(pruneQuery(prune)), headers, body })
    const result = successOf<ImportBody>(this.#client, answer, 'commandId')
    if (answer.status !== 202) return result
    const { id: commandId, ...members } = await awaitAccepted(this.#client, result.commandId, wait)
    return { commandId, ...members } as ImportBody
  }

  async compare(body: AsyncIterable<Buffer>, prune: string | undefined): Promise<ImportDryRun> {
    const path = pathOf({ ...pruneQuery(prune), dryRun: 'true' })
    const answer = await ask(this.#client, { method: 'POST', path, headers: CONTENT, body, isDryRun: true })
    return successOf<ImportDryRun>(this.#client, answer, 'differences')
  }
}

/** The service takes an empty prefix for a mistake. After any other, a star would be part of it in a prefix of descriptors. */
function pruneQuery(prefix: string | undefined): Record<string, string> {
  return prefix === undefined ? {} : { prune: prefix === '' ? '*' : prefix }
}

function pathOf(query: Readonly<Record<string, string>>): string {
  const text = new URLSearchParams(query).toString()
  return text === '' ? '/config/import' : `/config/import?${text}`
}
