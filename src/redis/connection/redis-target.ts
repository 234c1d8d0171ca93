import type { Env } from '../../settings/env.ts'
import type { TlsFiles } from '../../settings/redis-tls.ts'
import { parseRedisUrl, type RedisUrl } from '../../settings/redis-url.ts'

/** A Redis with everything needed to connect to it. */
export interface RedisTarget extends RedisUrl {
  /** The setting that names it. */
  readonly variable: 'REDIS_URL' | 'CONFIG_REDIS_URL'
  readonly holdsPolicies: boolean
  readonly tlsFiles: TlsFiles
  readonly sentinelPassword?: string
}

/** The bucket store. */
export function bucketTarget(env: Env): RedisTarget {
  return targetOf('REDIS_URL', env.REDIS_URL ?? '', env)
}

/** The policy store: policies, events and queues. */
export function configTarget(env: Env): RedisTarget {
  return env.CONFIG_REDIS_URL === undefined
    ? bucketTarget(env)
    : targetOf('CONFIG_REDIS_URL', env.CONFIG_REDIS_URL, env)
}

/** Every store of the service. */
export function allTargets(env: Env): readonly RedisTarget[] {
  return env.CONFIG_REDIS_URL === undefined ? [bucketTarget(env)] : [bucketTarget(env), configTarget(env)]
}

function targetOf(variable: RedisTarget['variable'], url: string, env: Env): RedisTarget {
  const { SENTINEL_PASSWORD: sentinelPassword, redisTls } = env
  return {
    ...parseRedisUrl(url),
    variable,
    holdsPolicies: variable === 'CONFIG_REDIS_URL' || env.CONFIG_REDIS_URL === undefined,
    tlsFiles: redisTls,
    ...(sentinelPassword !== undefined && { sentinelPassword }),
  }
}
