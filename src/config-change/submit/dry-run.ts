import { randomUUID } from 'node:crypto'
import { commandId, type PutPolicy } from '../../domain/commands.ts'
import { decide } from '../../domain/decider.ts'
import { Problem } from '../../lib/errors.ts'
import { orUnavailable } from '../map-store-errors.ts'
import type { PolicyReader, PolicyRecord } from '../ports.ts'
import { readCurrent } from '../read-version.ts'

interface DryRunOptions {
  readonly reader: PolicyReader
  /** ISO 8601 */
  readonly at: string
}

/**
 * The policy as it would be, were it put now and nothing queued before it.
 * @throws {Problem} what it would be rejected for
 */
export async function dryRun(command: Omit<PutPolicy, 'id'>, { reader, at }: DryRunOptions): Promise<PolicyRecord> {
  const { key, policy, actor: updatedBy } = command
  const state = await orUnavailable(reader.state(key))
  const decision = decide(state, { ...command, id: commandId(key, randomUUID()) }, at)
  switch (decision.kind) {
    case 'rejected':
      throw new Problem(decision.rejection.code, decision.rejection.detail)
    case 'unchanged':
      return readCurrent(reader, key)
    case 'changed':
      return { key, version: decision.event.version, policy, updatedAt: at, updatedBy }
  }
}
