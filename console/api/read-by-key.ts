import { type Call, CallFailure, call, type Reply, segment } from './call.ts'

interface KeyPath {
  readonly collection: 'buckets' | 'config'
  readonly key: string
  /** Under the path of the key. */
  readonly resource?: string
}

/**
 * Reads what has a key in its path. Views read before they change anything.
 * @throws {CallFailure} if the answer is about another key: a proxy that decodes and normalizes paths makes `b` of `a/../b`
 */
export async function readByKey<Body extends { readonly key: string }>(
  { collection, key, resource = '' }: KeyPath,
  options: Call = {},
): Promise<Reply<Body>> {
  const reply = await call<Body>(`${collection}/${segment(key)}${resource}`, options).catch((err: unknown) => {
    if (err instanceof CallFailure && err.key !== undefined) refuseOtherKey(err.key, key)
    throw err
  })
  refuseOtherKey(reply.body.key, key)
  return reply
}

function refuseOtherKey(answered: unknown, key: string): void {
  if (answered === key) return
  throw new CallFailure(404, {
    code: 'path-changed',
    detail: `The answer is not about the key ${key}: a proxy in front of the service changes paths.`,
  })
}
