import { awaitCommand } from '../backend/await-command.ts'
import type { Wait } from '../backend/backend.ts'
import { failureOf } from '../backend/failure.ts'
import { ask, successOf } from './answer.ts'
import type { ServiceClient } from './client.ts'
import { serviceWaitMs } from './fields.ts'

/** Pause between two requests for a command's status, in ms. */
const POLL_MS = 500

/** A command as `GET /commands/{id}` shows it. */
interface CommandBody {
  readonly id: string
  readonly status: 'queued' | 'applied' | 'rejected' | 'failed'
  readonly version?: number
  readonly error?: { readonly code: string; readonly detail: string }
}

/** Waits for the result of a change that was answered with 202. @throws {OperatorError} unless it is applied */
export async function awaitAccepted(client: ServiceClient, id: string, wait: Wait): Promise<CommandBody> {
  const result = await awaitCommand<CommandBody>(id, {
    read: () => readCommand(client, id),
    pollMs: POLL_MS,
    explain: async () => `waiting for command ${id}; it is applied once a worker takes it`,
    waitedMs: serviceWaitMs(wait.timeoutMs),
    ...wait,
  })
  if (result.error !== undefined) throw failureOf(result.error)
  return result
}

/** `undefined` if the service does not know the command. */
async function readCommand(client: ServiceClient, id: string): Promise<CommandBody | undefined> {
  const answer = await ask(client, { method: 'GET', path: `/commands/${encodeURIComponent(id)}` })
  if (answer.body?.['code'] === 'command-not-found') return undefined
  return successOf(client, answer) as unknown as CommandBody
}
