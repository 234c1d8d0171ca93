/** The append, as `lua/append.lua` takes it. */
import { randomUUID } from 'node:crypto'
import type { ImportProgress, ImportStep, KeyChange } from '../config-change/ports.ts'
import { partitionOfCommand } from '../domain/commands.ts'
import type { PolicyEvent } from '../domain/events.ts'
import type { Outcome } from '../domain/outcome.ts'
import { configPartition } from '../domain/partition.ts'
import type { RedisClient } from './connection.ts'
import { type DefinedScript, defineScript, type ScriptArguments } from './define-script.ts'
import { announcementChannel, ConfigKeys } from './keys.ts'
import type { RetentionOptions } from './retention.ts'
import { appendScript } from './scripts.ts'

/** The codes that `lua/append.lua` returns. */
export const AppendCode = { ended: 0, repeated: 1, movedOn: 2 } as const
type AppendCode = (typeof AppendCode)[keyof typeof AppendCode]

export type AppendCommand = DefinedScript<[AppendCode, string]>

/**
 * Outcomes are kept so much longer than they are told, ms, lest a command be applied a second time that a worker still has in
 * its hands: one that was killed just then, or stood still for a while.
 */
export const FENCE_MS = 600_000

export function defineAppend(redis: RedisClient): AppendCommand {
  return defineScript(redis, 'throttlerAppend', appendScript)
}

/** The outcome of a command or the progress of an import, of which the script lets one follow another. */
interface Recorded {
  readonly key: string
  readonly from: string
  readonly to: string
  readonly keptForMs: number
  readonly announced: string
}

/** Ends a command. */
export function outcomeArguments(outcome: Outcome, change: KeyChange | undefined, options: RetentionOptions) {
  const partition = partitionOfCommand(outcome.id) ?? 0
  const json = JSON.stringify(outcome)
  const key = new ConfigKeys(options.keyPrefix, partition).outcome(outcome.id)
  const record = { key, from: '', to: json, keptForMs: options.retentionMs + FENCE_MS, announced: json }
  return appendArguments(partition, record, change ? [change] : [], options)
}

/** Goes a step on in an import. */
export function stepArguments({ partId, from, to, changes }: ImportStep, options: RetentionOptions) {
  const partition = partitionOfCommand(partId) ?? 0
  const record = {
    key: new ConfigKeys(options.keyPrefix, partition).progress(partId),
    from: progressJson(from),
    to: progressJson(to),
    keptForMs: 0,
    announced: '',
  }
  return appendArguments(partition, record, changes, options)
}

/** Appends an event whose command nobody asks about any more. */
export function eventArguments(event: PolicyEvent, options: RetentionOptions) {
  const { key, version, commandId } = event
  const partition = configPartition(key)
  const record = {
    key: new ConfigKeys(options.keyPrefix, partition).outcome(commandId),
    from: '',
    to: '',
    keptForMs: 0,
    announced: '',
  }
  return appendArguments(partition, record, [{ key, expectedVersion: version - 1, event }], options)
}

function appendArguments(
  partition: number,
  record: Recorded,
  changes: readonly KeyChange[],
  { keyPrefix }: RetentionOptions,
): ScriptArguments {
  const keys = new ConfigKeys(keyPrefix, partition)
  const touched = [keys.log, keys.identity, keys.policies, keys.names, record.key, keys.compactedTo]
  return [
    touched.length + changes.length,
    ...touched,
    ...changes.map(({ key }) => keys.versions(key)),
    record.from,
    record.to,
    record.keptForMs,
    record.announced,
    announcementChannel(keyPrefix),
    partition,
    randomUUID(),
    ...changes.flatMap(changeArguments),
  ]
}

function changeArguments({ key, expectedVersion, event }: KeyChange): readonly (string | number)[] {
  if (event === undefined) return [key, expectedVersion, '', '', '']
  return [key, expectedVersion, event.version, JSON.stringify(event), recordJson(event)]
}

export function recordJson({ version, policy, at, actor }: PolicyEvent): string {
  return policy === null ? '' : JSON.stringify({ version, policy, updatedAt: at, updatedBy: actor })
}

function progressJson(progress: ImportProgress | undefined): string {
  return progress === undefined ? '' : JSON.stringify(progress)
}
