import { call, fieldOf, type Reply, segment } from './call.ts'
import type { Command, CommandStatus, DryRun, PolicyDefinition, StoredPolicy } from './types.ts'

const WAIT_SECONDS = 10

/** A change of one policy, on the condition that nobody has changed it in the meantime. */
export interface Change {
  readonly key: string
  /** The ETag of the policy that the operator saw; undefined if there was none. */
  readonly seen: string | undefined
}

/** A change that is sent. Each attempt to make the same change has the same idempotency key, and so is the same command. */
export interface SentChange extends Change {
  readonly reason: string
  readonly idempotencyKey: string
}

export function newIdempotencyKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16)).join('-')
}

function conditionOf({ seen }: Change): Record<string, string> {
  return seen === undefined ? { 'if-none-match': '*' } : { 'if-match': seen }
}

function fieldsOf(change: SentChange): Record<string, string> {
  const { reason, idempotencyKey } = change
  return {
    ...conditionOf(change),
    prefer: `wait=${WAIT_SECONDS}`,
    'idempotency-key': idempotencyKey,
    ...(reason.trim() !== '' && { 'x-change-reason': fieldOf(reason.trim()) }),
  }
}

type Outcome = Promise<Reply<StoredPolicy | Command>>

/** The id of a change that is queued; undefined if it is in force. */
export function queuedId({ status, body }: Awaited<Outcome>): string | undefined {
  return status === 202 ? (body as Command).commandId : undefined
}

/** What has become of a queued change; undefined if the service no longer knows. */
export async function commandStatus(id: string, signal: AbortSignal): Promise<CommandStatus | undefined> {
  const { status, body } = await call<CommandStatus>(`commands/${segment(id)}`, { signal, accepts: [404] })
  return status === 404 ? undefined : body
}

export async function dryRun(change: Change, body: PolicyDefinition): Promise<DryRun> {
  const headers = conditionOf(change)
  const options = { method: 'PUT', query: { dryRun: true }, headers, body }
  return (await call<DryRun>(`config/${segment(change.key)}`, options)).body
}

export function putPolicy(change: SentChange, body: PolicyDefinition): Outcome {
  return call(`config/${segment(change.key)}`, { method: 'PUT', headers: fieldsOf(change), body })
}

export function deletePolicy(change: SentChange): Outcome {
  return call(`config/${segment(change.key)}`, { method: 'DELETE', headers: fieldsOf(change) })
}

export function rollBack(change: SentChange, version: number): Outcome {
  const options = { method: 'POST', headers: fieldsOf(change), body: { version } }
  return call(`config/${segment(change.key)}/rollback`, options)
}
