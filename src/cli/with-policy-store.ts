import { once } from 'node:events'
import { UnknownEventSchema } from '../domain/events.ts'
import { askLock } from '../embedded/directory-lock.ts'
import { Problem } from '../lib/errors.ts'
import { OperatorError } from '../lib/operator-error.ts'
import { createLogger } from '../observability/logger.ts'
import { connect, type RedisClient } from '../redis/connection/connection.ts'
import { ConnectionName } from '../redis/connection/connection-names.ts'
import { reasonOf } from '../redis/connection/connection-report.ts'
import { isDenied } from '../redis/connection/failure-reason.ts'
import { configTarget } from '../redis/connection/redis-target.ts'
import { replyCause } from '../redis/connection/reply-cause.ts'
import { isTransient } from '../redis/connection/transient.ts'
import { compareLayout } from '../redis/policies/layout.ts'
import { type Env, readEnv } from '../settings/env.ts'
import { readDotenv } from './read-dotenv.ts'

/** The store is unavailable or denies a right, or this release cannot work on it. */
export class StoreTrouble extends OperatorError {}

export interface PolicyStoreAccess {
  readonly env: Env
  readonly redis: RedisClient
}

/**
 * Runs `use` with a connection to the policy store of the settings: the Redis of `CONFIG_REDIS_URL` or `REDIS_URL`, or the embedded
 * store of the service that runs on `DATA_DIR`.
 * @throws {StoreTrouble}
 */
export async function withPolicyStore<T>(use: (access: PolicyStoreAccess) => Promise<T>): Promise<T> {
  readDotenv()
  const given = readEnv({ needsRedis: false })
  const env = given.REDIS_URL === undefined ? { ...given, REDIS_URL: await embeddedUrl(given.DATA_DIR) } : given
  const logger = createLogger({ level: 'silent', role: 'cli' })
  const redis = connect('tool', { target: configTarget(env), name: ConnectionName.cli, logger })
  try {
    await once(redis, 'ready').catch(cause => {
      throw new StoreTrouble(`the policy store is unavailable: ${reasonOf(cause as Error)}`)
    })
    await compareLayout(redis, env.KEY_PREFIX)
    return await use({ env, redis })
  } catch (err) {
    throw storeTroubleOf(err) ?? causeOf(err)
  } finally {
    redis.disconnect()
  }
}

/** The error of the store, without the problem that an HTTP caller would get. */
function causeOf(err: unknown): unknown {
  const cause = err instanceof Problem && err.code === 'config-store-unavailable' ? (err.cause ?? err) : err
  return cause instanceof Error ? replyCause(cause) : cause
}

/** The error for the operator, if the store is unavailable, denies a right, or is of a later release. */
export function storeTroubleOf(err: unknown): StoreTrouble | undefined {
  const cause = causeOf(err)
  if (!(cause instanceof Error)) return undefined
  if (isTransient(cause)) return new StoreTrouble(`the policy store is unavailable: ${reasonOf(cause)}`)
  if (isDenied(cause)) {
    const rights = 'docs/security.md lists the rights that its user needs'
    return new StoreTrouble(`the policy store refuses a command: ${reasonOf(cause)}; ${rights}`)
  }
  return cause instanceof UnknownEventSchema ? new StoreTrouble(cause.message) : undefined
}

async function embeddedUrl(directory: string): Promise<string> {
  const dataDir = `DATA_DIR ${JSON.stringify(directory)}`
  const url = await askLock(directory).catch(({ message }: Error) => {
    throw new StoreTrouble(`${dataDir} does not tell whether a service runs on it: ${message}`)
  })
  if (url) return url
  throw new StoreTrouble(`no service runs on ${dataDir}; start it with "throttler start" (npm start), or set REDIS_URL`)
}
