import { Redis } from 'ioredis'
import { OperatorError } from '../../lib/operator-error.ts'
import type { TlsFiles } from '../../settings/redis-tls.ts'
import type { Endpoint } from '../../settings/redis-url.ts'
import { loginOptions } from './connection.ts'
import { reasonOf } from './connection-report.ts'
import { shakeHands } from './probe-tls.ts'
import type { RedisTarget } from './redis-target.ts'

const PATIENCE_MS = 1_000

/** It will not be otherwise later: certificates that nobody vouches for, a server that speaks no TLS. */
const TLS_FAULTS = /^(ERR_TLS_|ERR_SSL_|ERR_OSSL|EPROTO|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/
/** It may be otherwise in a moment. */
const PASSING_REPLIES = /^(LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|ERR max number of clients)/

/** The first that takes `SET … PXAT`, as `lua/check.lua` does. Valkey and others say which Redis they are like. */
const OLDEST_REDIS = [6, 2] as const

const MODE_OF_URL = { standalone: 'redis://', cluster: 'redis+cluster://', sentinel: 'redis+sentinel://' } as const

/** What was found of a store at the start: what INFO says, or why it cannot be asked now. */
export type Examination =
  | { readonly info: ReadonlyMap<string, string>; readonly savePoints: string | undefined }
  | { readonly away: string }

/** The store can be reached, but not as the configuration says. */
export class UnfitStore extends OperatorError {}

/**
 * Asks the store as the service will, but once: a store that is away may come back, but one of another kind, or one that refuses
 * the password, will not serve whatever one waits for.
 * @throws {UnfitStore}
 */
export async function examineStore(target: RedisTarget): Promise<Examination> {
  const examine = async (endpoint: Endpoint) =>
    examineMaster(target, target.kind === 'sentinel' ? await askSentinel(target, endpoint) : endpoint)
  try {
    return await Promise.any(target.endpoints.map(examine))
  } catch (err) {
    const { errors } = err as AggregateError
    const unfit = errors.find(error => error instanceof UnfitStore)
    if (unfit !== undefined) throw unfit
    const reasons = target.endpoints.map(({ host, port }, i) => `${host}:${port}: ${reasonOf(errors[i])}`)
    return { away: reasons.join('; ') }
  }
}

async function examineMaster(target: RedisTarget, endpoint: Endpoint): Promise<Examination> {
  const options = { ...loginOptions(target), db: target.database }
  return ask(endpoint, options, async redis => {
    const info = parseInfo(await redis.info())
    const mode = info.get('redis_mode') as keyof typeof MODE_OF_URL | undefined
    const wanted = target.kind === 'cluster' ? 'cluster' : 'standalone'
    if (mode !== undefined && mode !== wanted) {
      throw new UnfitStore(`is a ${mode} server at ${endpoint.host}:${endpoint.port}; it takes ${MODE_OF_URL[mode]}…`)
    }
    refuseOlderRedis(info.get('redis_version'), endpoint)
    const [, savePoints] = (await redis.config('GET', 'save').catch(() => [])) as string[]
    return { info, savePoints }
  })
}

function refuseOlderRedis(version: string | undefined, { host, port }: Endpoint): void {
  const [major = Number.NaN, minor = 0] = (version ?? '').split('.').map(Number)
  const [oldestMajor, oldestMinor] = OLDEST_REDIS
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor) || Number.isNaN(major)) return
  throw new UnfitStore(`is Redis ${version} at ${host}:${port}; it takes ${OLDEST_REDIS.join('.')} or later`)
}

/** Where the master is. */
function askSentinel(target: RedisTarget, endpoint: Endpoint): Promise<Endpoint> {
  const { masterName = '', sentinelPassword: password, tls, tlsFiles } = target
  const options = { ...(password !== undefined && { password }), ...(tls && { tls: tlsFiles }) }
  return ask(endpoint, options, async sentinel => {
    const place = `${endpoint.host}:${endpoint.port}`
    if (parseInfo(await sentinel.info('server')).get('redis_mode') !== 'sentinel') {
      throw new UnfitStore(`has no Sentinel at ${place}`)
    }
    const address = (await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', masterName)) as [string, string] | null
    if (address !== null) return { host: address[0], port: Number(address[1]) }
    const masters = (await sentinel.call('SENTINEL', 'MASTERS')) as string[][]
    const known = masters.map(master => master[master.indexOf('name') + 1])
    throw new UnfitStore(
      `names a master "${masterName}" that the Sentinel at ${place} does not know; it knows ${known}`,
    )
  })
}

interface Login {
  readonly username?: string
  readonly password?: string
  readonly db?: number
  readonly tls?: TlsFiles
}

/** One connection for one conversation. @throws {UnfitStore} when it is refused for good */
async function ask<T>({ host, port }: Endpoint, options: Login, talk: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({
    ...options,
    host,
    port,
    lazyConnect: true,
    enableReadyCheck: false,
    retryStrategy: null,
    connectTimeout: PATIENCE_MS,
    commandTimeout: PATIENCE_MS,
  })
  let first: Error | undefined
  redis.on('error', err => {
    first ??= err
  })
  try {
    if (options.tls !== undefined) await shakeHands({ host, port }, options.tls)
    await redis.connect()
    const answer = await talk(redis)
    if (first !== undefined) throw first
    return answer
  } catch (err) {
    const cause = first ?? (err as Error)
    throw isForGood(cause) ? new UnfitStore(`is refused by ${host}:${port}: ${reasonOf(cause)}`) : cause
  } finally {
    redis.disconnect()
  }
}

function isForGood(err: Error): boolean {
  if (err.name === 'ReplyError') return !PASSING_REPLIES.test(err.message)
  return TLS_FAULTS.test((err as NodeJS.ErrnoException).code ?? '')
}

/** @see https://redis.io/docs/latest/commands/info/ */
function parseInfo(text: string): ReadonlyMap<string, string> {
  return new Map([...text.matchAll(/^([a-z_]+):(.*?)\r?$/gm)].map(([, name = '', value = '']) => [name, value]))
}
