import { readFileSync } from 'node:fs'
import type { Client } from './client.ts'
import type { StoredBucket, StoredKey } from './stored-keys.ts'

/** The data and answers of release 0.1.0. `test/fixtures/0.1.0/README.md` describes how they were recorded. */

interface RecordedBucket extends StoredBucket {
  readonly key: string
  readonly holds: string
  /** The checks in order, each with the decision of that release. */
  readonly checks: readonly { readonly tokens: number; readonly status: number; readonly decision: object }[]
}

interface RecordedPolicies {
  readonly list: readonly { readonly key: string; readonly version: number }[]
  readonly histories: Readonly<Record<string, readonly RecordedEvent[]>>
}

interface RecordedEvent {
  readonly version: number
  readonly policy: object | null
}

interface RecordedCommand {
  readonly id: string
  readonly status: string
  readonly error?: { readonly code: string }
}

interface RecordedAnswers extends RecordedPolicies {
  readonly export: readonly string[]
  readonly commands: readonly RecordedCommand[]
  /** A request with an Idempotency-Key, and its response. */
  readonly repeated: {
    readonly request: {
      readonly method: string
      readonly path: string
      readonly body: object
      readonly headers: Readonly<Record<string, string>>
    }
    readonly status: number
    readonly body: object
  }
}

const FIXTURES = new URL('../fixtures/0.1.0/', import.meta.url)
const read = (file: string) => readFileSync(new URL(file, FIXTURES), 'utf8')

export const recordedBuckets = (): readonly RecordedBucket[] => JSON.parse(read('buckets.json'))
export const recordedStore = (): readonly StoredKey[] => JSON.parse(read('config-store.json'))
export const recordedAnswers = (): RecordedAnswers => JSON.parse(read('config-answers.json'))
export const recordedJournalAnswers = (): RecordedPolicies => JSON.parse(read('journal-answers.json'))

/** The journal with current times in its events, since an Idempotency-Key is known only for a time after its use. */
export function recordedJournal(): string {
  return read('journal.ndjson').replaceAll(/"at":"[^"]+"/g, `"at":"${new Date().toISOString()}"`)
}

/** The environment in which the data was recorded. */
export const RECORDED_ENV = {
  ADMIN_TOKENS: 'ops:the-token-of-ops,eve:the-token-of-eve',
  WEB_CONCURRENCY: '1',
  DEFAULT_CAPACITY: '50',
  DEFAULT_REFILL_TOKENS: '1',
  DEFAULT_REFILL_INTERVAL_MS: '1000000',
}

export const AS_OPS = { authorization: 'Bearer the-token-of-ops' }

export async function historyOf(client: Client, key: string): Promise<unknown> {
  return (await client.get(`/config/${encodeURIComponent(key)}/history?limit=1000`)).body.events
}
