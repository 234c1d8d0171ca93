import { Type } from '@sinclair/typebox'
import type { CommandResult } from '../../domain/outcome.ts'
import type { QueuedStatus } from '../submit/command-statuses.ts'

export type CommandState = QueuedStatus['status'] | CommandResult['status']

export function commandStatus(description: string) {
  return Type.Unsafe<CommandState>({
    type: 'string',
    enum: ['queued', 'applied', 'rejected', 'failed'],
    description,
  })
}

/** The status in the response to a request that was accepted. */
export const acceptedStatus = commandStatus(
  '`queued`: the change waits to be applied. If the request repeats one whose command has ended, how that ended.',
)
