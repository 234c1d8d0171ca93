import { randomUUID } from 'node:crypto'
import { policyBody } from '../../config-change/http/policy-json.ts'
import type { PolicyReader } from '../../config-change/ports.ts'
import { readVersion } from '../../config-change/read-policy.ts'
import type { CommandStatuses } from '../../config-change/submit/command-statuses.ts'
import type { CommandSubmitter } from '../../config-change/submit/command-submitter.ts'
import { type CommandId, parseCommandId } from '../../domain/command-id.ts'
import type { NewCommand } from '../../domain/commands.ts'
import { awaitCommand, explanationOf } from '../backend/await-command.ts'
import type { Change, PolicyBody, Wait } from '../backend/backend.ts'
import { failureOf } from '../backend/failure.ts'
import { requestedPolicy } from './requested-policy.ts'

/** Pause between two reads of a command's status, in ms. */
const POLL_MS = 50

interface StoreChangesOptions {
  readonly submitter: CommandSubmitter
  readonly statuses: Pick<CommandStatuses, 'of'>
  readonly queue: { isTaken(id: CommandId): Promise<boolean> }
  readonly reader: PolicyReader
  readonly actor: string
}

/** Submits changes of policies to the queue of the service, and waits until a worker has applied them. */
export class StoreChanges {
  readonly #options: StoreChangesOptions

  constructor(options: StoreChangesOptions) {
    this.#options = options
  }

  async apply(change: Change, { timeoutMs, say }: Wait): Promise<PolicyBody | undefined> {
    const { submitter, statuses, queue, reader, actor } = this.#options
    const { commandId } = await submitter.submit(commandOf(change, actor), { waitMs: 0, idempotencyKey: undefined })
    const id = parseCommandId(commandId)
    if (id === undefined) throw new Error(`"${commandId}" is not the id of a command`)
    const result = await awaitCommand(id, {
      read: () => statuses.of(id),
      pollMs: POLL_MS,
      explain: async () => explanationOf(id, await queue.isTaken(id)),
      timeoutMs,
      say,
    })
    if (result.status !== 'applied') throw failureOf(result.error)
    if ('counts' in result) throw new Error(`command ${id} of one key has the result of an import`)
    return result.effect === 'deleted' ? undefined : policyBody(await readVersion(reader, change.key, result.version))
  }
}

function commandOf(change: Change, actor: string): NewCommand {
  const { key, reason, conditions } = change
  const common = {
    key,
    actor,
    requestId: randomUUID(),
    ...(reason !== undefined && { reason }),
    ...(conditions && { conditions }),
  }
  switch (change.type) {
    case 'put':
      return { ...common, type: 'put', policy: requestedPolicy(change.policy) }
    case 'rollback':
      return { ...common, type: 'rollback', version: change.version }
    case 'delete':
      return { ...common, type: 'delete' }
  }
}
