import { awaitCommand } from '../backend/await-command.ts'
import type { Wait } from '../backend/backend.ts'
import { failureOf } from '../backend/failure.ts'
import { ask, successOf } from './answer.ts'
import { type ServiceClient, ServiceUnavailable } from './client.ts'
import { serviceWaitMs } from './fields.ts'

/** Pause between two requests for a command's status, in ms. */
const POLL_MS = 500

/** How long the service may be unavailable in the meantime, in ms. */
const PATIENCE_MS = 30_000

/** A change that was answered with 202. */
export interface AcceptedBody {
  readonly commandId: string
}

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
    read: patiently(() => readCommand(client, id), { id, status: 'queued' }),
    pollMs: POLL_MS,
    explain: async () => `waiting for command ${id}; it is applied once a worker takes it`,
    waitedMs: serviceWaitMs(wait.timeoutMs),
    ...wait,
  })
  if (result.error !== undefined) throw failureOf(result.error)
  return result
}

/**
 * A service that is busy or restarts does not end the wait, unless it is unavailable for long. Meanwhile the result is `unknown`.
 * @throws {ServiceUnavailable}
 */
function patiently<T>(read: () => Promise<T>, unknown: T): () => Promise<T> {
  let failingSinceMs: number | undefined
  return async () => {
    try {
      const result = await read()
      failingSinceMs = undefined
      return result
    } catch (err) {
      failingSinceMs ??= performance.now()
      if (!(err instanceof ServiceUnavailable) || performance.now() - failingSinceMs > PATIENCE_MS) throw err
      return unknown
    }
  }
}

/** `undefined` if the service does not know the command. */
async function readCommand(client: ServiceClient, id: string): Promise<CommandBody | undefined> {
  const answer = await ask(client, { method: 'GET', path: `/commands/${encodeURIComponent(id)}` })
  if (answer.body?.['code'] === 'command-not-found') return undefined
  return successOf<CommandBody>(client, answer, 'status')
}
