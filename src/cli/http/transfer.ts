import type { IncomingMessage } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { NDJSON } from '../../config-change/import/ndjson.ts'
import type { OperatorError } from '../../lib/operator-error.ts'
import type { Wait } from '../backend/backend.ts'
import { failureIn, notThrottler, readAnswer, successOf } from './answer.ts'
import { type AcceptedBody, awaitAccepted } from './await-accepted.ts'
import { reasonOf, type ServiceClient, ServiceUnavailable } from './client.ts'
import { preferWait, reasonField } from './fields.ts'

/** What an import did: its command and counts, as the service reports them. */
export interface ImportBody extends AcceptedBody {
  readonly created?: number
  readonly changed?: number
  readonly unchanged?: number
}

/**
 * Writes every policy to `output` as it arrives, one per line.
 * @param onBytes called with the size of each part
 * @throws {OperatorError} also if the export ends early
 */
export async function exportTo(
  output: NodeJS.WritableStream,
  client: ServiceClient,
  onBytes: (count: number) => void,
): Promise<void> {
  const response = await client.send({ method: 'GET', path: '/config/export' })
  if (response.statusCode !== 200) throw failureIn(client, await readAnswer(client, 'GET', response))
  if (!response.headers['content-type']?.startsWith(NDJSON)) throw abandoned(client, response)
  response.on('data', (part: Buffer) => onBytes(part.length))
  try {
    await pipeline(response, output, { end: false })
  } catch (err) {
    throw new ServiceUnavailable(`the export of ${client.url} is incomplete: ${reasonOf(err)}`)
  }
}

/** A page of a proxy, for instance, is not an export. */
function abandoned(client: ServiceClient, response: IncomingMessage): OperatorError {
  response.destroy()
  return notThrottler(client, 200)
}

interface ImportRequest extends Wait {
  readonly file: AsyncIterable<Buffer>
  readonly reason: string | undefined
}

/** Sends a file of policies as it is read, and waits until it is applied. @throws {OperatorError} */
export async function importFrom(client: ServiceClient, { file, reason, ...wait }: ImportRequest): Promise<ImportBody> {
  const headers = { 'content-type': NDJSON, ...preferWait(wait.timeoutMs), ...reasonField(reason) }
  const response = await client.send({ method: 'POST', path: '/config/import', headers, body: file })
  const answer = await readAnswer(client, 'POST', response)
  const body = successOf<ImportBody>(client, answer, 'commandId')
  if (answer.status !== 202) return body
  const { id: commandId, ...result } = await awaitAccepted(client, body.commandId, wait)
  return { commandId, ...result }
}
