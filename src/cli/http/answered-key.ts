import type { OperatorError } from '../../lib/operator-error.ts'
import { RequestFailed } from '../backend/failure.ts'
import { type Answer, ask, failureIn } from './answer.ts'
import { isChange, type ServiceClient, UNCERTAIN } from './client.ts'

/** Keys that are the same in a path whether their characters are percent-encoded or not, so that no proxy changes them. */
const PLAIN_KEY = /^[\w.~:*-]+$/

/** With these, the service refuses a path that a proxy has changed into one that it does not have. */
const PATH_REFUSALS: ReadonlySet<number> = new Set([400, 404, 405])

/**
 * Makes sure that a change of the key at this path would reach the key, by reading it. Afterwards it would be too late: a proxy
 * that decodes and normalizes paths turns a deletion of `a/../user:*` into one of `user:*`.
 * @throws {OperatorError}
 */
export async function confirmKey(client: ServiceClient, path: string, key: string): Promise<void> {
  if (PLAIN_KEY.test(key)) return
  const answer = await ask(client, { method: 'GET', path })
  refuseOtherKey(client, answer, key)
  if (answer.body?.['key'] !== key) throw failureIn(client, answer)
}

/** @throws {OperatorError} if the answer is about another key than the one in the path of the request */
export function refuseOtherKey(client: ServiceClient, answer: Answer, key: string): void {
  const answered = answer.body?.['key']
  if (answered === key) return
  if (answered !== undefined || (!PLAIN_KEY.test(key) && isAboutPath(answer))) throw otherKey(client, answer, key)
}

function isAboutPath({ status, body }: Answer): boolean {
  return status < 300 || (PATH_REFUSALS.has(status) && typeof body?.['code'] === 'string')
}

function otherKey({ url }: ServiceClient, { request, body }: Answer, key: string): OperatorError {
  const { key: answered, detail } = body ?? {}
  const asked = JSON.stringify(key)
  const failure =
    answered === undefined
      ? `${url} has not answered for the key ${asked}${typeof detail === 'string' ? ` (${detail})` : ''}`
      : `${url} has answered for the key ${JSON.stringify(answered)} instead of ${asked}`
  const uncertainty = isChange(request) ? `; ${UNCERTAIN}` : ''
  return new RequestFailed(
    `${failure}: a proxy changes the path of requests; docs/cli.md says how to configure it${uncertainty}`,
  )
}
