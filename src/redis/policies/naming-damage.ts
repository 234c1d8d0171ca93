import { DamagedKey } from '../../config-change/damaged-store.ts'
import type { RedisClient } from '../connection/connection.ts'
import { isWrongType } from '../wrong-type.ts'

/** The key type that each command of the policy store needs. */
const TYPES_BY_COMMAND: Readonly<Record<string, string>> = {
  get: 'string',
  hget: 'hash',
  hmget: 'hash',
  lindex: 'list',
  rpush: 'list',
  xlen: 'stream',
  xrange: 'stream',
  xrevrange: 'stream',
  zrange: 'zset',
  zrangebylex: 'zset',
  zrangebyscore: 'zset',
  zrevrange: 'zset',
}

/** How this service's scripts report damage, see `lua/wrong-type.lua`. */
const SCRIPT_ERROR = /^DAMAGED /

/** An error reply, as ioredis reports it. */
interface ReplyError extends Error {
  readonly command?: { readonly name: string; readonly args: readonly unknown[] }
}

/** Wraps a client so that its commands and scripts reject with a `DamagedKey` that names a key of the wrong type. */
export function namingDamage<Client extends RedisClient>(redis: Client): Client {
  return new Proxy(redis, {
    get: (client, name) => {
      const member: unknown = Reflect.get(client, name)
      if (typeof member !== 'function') return member
      return (...args: unknown[]) => {
        const result: unknown = member.apply(client, args)
        return result instanceof Promise ? result.catch(async err => Promise.reject(await named(client, err))) : result
      }
    },
  })
}

async function named(redis: RedisClient, err: ReplyError): Promise<Error> {
  if (SCRIPT_ERROR.test(err.message)) return damagedKey(err.message.replace(SCRIPT_ERROR, ''), err)
  if (!isWrongType(err)) return err
  const { name = '', args: [key] = [] } = err.command ?? {}
  const expected = TYPES_BY_COMMAND[name]
  if (expected === undefined) return err
  const found = await redis.type(String(key)).catch(() => 'another')
  return damagedKey(wrongType(String(key), { found, expected }), err)
}

/** A fault for each of these keys that exists with another type than expected. */
export async function wrongTypes(
  redis: RedisClient,
  expected: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const found = await Promise.all(Object.keys(expected).map(key => redis.type(key)))
  return Object.entries(expected).flatMap(([key, type], i) => {
    const actual = found[i] ?? 'none'
    return actual === 'none' || actual === type ? [] : [wrongType(key, { found: actual, expected: type })]
  })
}

/** The wording of `lua/wrong-type.lua`. */
function wrongType(key: string, { found, expected }: { found: string; expected: string }): string {
  return `the key "${key}" is of type ${found} instead of ${expected}`
}

function damagedKey(fault: string, cause: Error): DamagedKey {
  return new DamagedKey(`${fault}; run "throttler verify" to see whether "throttler rebuild" can repair it`, { cause })
}
