import type { IncomingMessage } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { NDJSON } from '../../config-change/import/ndjson.ts'
import type { OperatorError } from '../../lib/operator-error.ts'
import { failureIn, notThrottler, readAnswer } from './answer.ts'
import { reasonOf, type ServiceClient, ServiceUnavailable } from './client.ts'

const EXPORT = { method: 'GET', path: '/config/export' } as const

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
  const response = await client.send(EXPORT)
  if (response.statusCode !== 200) throw failureIn(client, await readAnswer(client, EXPORT, response))
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
