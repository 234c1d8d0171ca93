/** Arguments of `lua/append.lua`. */
import { randomUUID } from 'node:crypto'
import type { CommandEnd, ImportProgress, ImportStep, KeyChange, Lease } from '../../config-change/ports.ts'
import { partitionOf } from '../../domain/command-id.ts'
import type { PolicyEvent } from '../../domain/events.ts'
import type { Outcome } from '../../domain/outcome.ts'
import { configPartition } from '../../domain/partition.ts'
import { recordOf } from '../../domain/policy-record.ts'
import { endOf } from '../../domain/temporary-policy.ts'
import type { RedisClient } from '../connection/connection.ts'
import { type DefinedScript, defineScript, type ScriptArguments } from '../define-script.ts'
import { announcementChannel, ConfigKeys } from '../keys.ts'
import { appendScript } from '../scripts.ts'
import { recordJson } from './config-json.ts'
import type { RetentionOptions } from './retention.ts'

/** The codes that `lua/append.lua` returns. */
export const AppendCode = { appended: 0, ended: 1, movedOn: 2, leaseLost: 3, progressed: 4 } as const
type AppendCode = (typeof AppendCode)[keyof typeof AppendCode]

export type AppendCommand = DefinedScript<[AppendCode, string]>

/** How much longer outcomes are stored than reported, in ms. A command that is delivered again meanwhile gets its first outcome. */
export const DEDUP_GRACE_MS = 600_000

/** For appends without a worker. */
const NO_LEASE = ''

export function defineAppend(redis: RedisClient): AppendCommand {
  return defineScript(redis, 'throttlerAppend', appendScript)
}

/** The records of a command, apart from its events. */
interface Recorded {
  readonly commandId: string
  readonly lease: Lease
  /** Absent if the command has not ended. */
  readonly outcome?: Outcome
  /** Goes with the announcement. Release 0.1.0 ignores members of an announced outcome that it does not know. */
  readonly traceparent?: string | undefined
  /** Expected progress of an import. */
  readonly from?: ImportProgress | undefined
  /** New progress; absent to leave it unchanged. */
  readonly to?: ImportProgress
}

/** Ends a command. */
export function outcomeArguments({ change, ...end }: CommandEnd, options: RetentionOptions) {
  const { outcome } = end
  const recorded = { commandId: outcome.id, ...end }
  return appendArguments(partitionOf(outcome.id), recorded, change ? [change] : [], options)
}

/** Applies the next chunk of an import. */
export function stepArguments({ partId, lease, from, to, changes }: ImportStep, options: RetentionOptions) {
  return appendArguments(partitionOf(partId), { commandId: partId, lease, from, to }, changes, options)
}

/** Appends an event without a worker, with the outcome of its command if there is one. */
export function eventArguments(event: PolicyEvent, outcome: Outcome | undefined, options: RetentionOptions) {
  const { key, version, commandId } = event
  const recorded = { commandId, lease: NO_LEASE, ...(outcome && { outcome }) }
  const change = { key, expectedVersion: version - 1, event }
  return appendArguments(configPartition(key), recorded, [change], options)
}

function appendArguments(
  partition: number,
  { commandId, lease, outcome, traceparent, from, to }: Recorded,
  changes: readonly KeyChange[],
  { keyPrefix, retentionMs }: RetentionOptions,
): ScriptArguments {
  const keys = new ConfigKeys(keyPrefix, partition)
  const ofCommand = [keys.outcome(commandId), keys.progress(commandId), keys.lock(commandId)]
  const touched = [keys.log, keys.identity, keys.policies, keys.names, keys.compactedTo, ...ofCommand, keys.ends]
  return [
    touched.length + changes.length,
    ...touched,
    ...changes.map(({ key }) => keys.versions(key)),
    lease,
    jsonOf(outcome),
    retentionMs + DEDUP_GRACE_MS,
    jsonOf(from),
    jsonOf(to),
    announcementChannel(keyPrefix),
    partition,
    randomUUID(),
    jsonOf(traceparent === undefined ? undefined : { ...outcome, traceparent }),
    ...changes.flatMap(changeArguments),
  ]
}

function changeArguments({ key, expectedVersion, event }: KeyChange): readonly (string | number)[] {
  if (event === undefined) return [key, expectedVersion, '', '', '', '']
  const record = recordOf(event)
  const policy = record === undefined ? '' : recordJson(record)
  return [key, expectedVersion, event.version, JSON.stringify(event), policy, endOf(event.policy) ?? '']
}

function jsonOf(value: object | undefined): string {
  return value === undefined ? '' : JSON.stringify(value)
}
