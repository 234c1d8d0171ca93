import { Redis } from 'ioredis'
import { OperatorError } from '../../lib/operator-error.ts'
import type { Env } from '../../settings/env.ts'
import type { TlsFiles } from '../../settings/redis-tls.ts'
import { addressOf, type Endpoint } from '../../settings/redis-url.ts'
import { announcementChannel } from '../keys.ts'
import { loginOptions } from './connection.ts'
import { reasonOf } from './connection-report.ts'
import { describeMissing, type MissingRight, missingRights, missingSubscription } from './missing-rights.ts'
import { probeTls } from './probe-tls.ts'
import type { RedisTarget } from './redis-target.ts'
import { requiredRights } from './required-rights.ts'

/** How long a connection, or an answer, may take at least, in ms. */
const MIN_TIMEOUT_MS = 1_000

/** Permanent TLS failures, such as an unknown certificate authority; retrying will not help. */
const TLS_FAULTS = /^(ERR_TLS_|ERR_SSL_|ERR_OSSL|EPROTO|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/
/** Replies that may be different in a moment. */
const TEMPORARY_REPLIES = /^(LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|ERR max number of clients)/

/** The first version with `SET … PXAT`, which `lua/check.lua` uses. Valkey and others report a compatible version. */
const OLDEST_REDIS = [6, 2] as const

const MODE_OF_URL = { standalone: 'redis://', cluster: 'redis+cluster://', sentinel: 'redis+sentinel://' } as const

/** A store at the start: its INFO, or why it is unavailable. */
export type Inspection =
  | { readonly info: ReadonlyMap<string, string>; readonly savePoints: string | undefined }
  | { readonly unavailable: string }

export type InspectionSettings = Pick<Env, 'KEY_PREFIX' | 'REDIS_TIMEOUT_MS'>

/** A store can be reached, but cannot be used as it is configured. */
export class PreflightError extends OperatorError {}

/**
 * Asks the store once, as the service will. An unavailable store may recover; one of the wrong kind, or one that refuses the
 * password, never works.
 * @throws {PreflightError} if at least half of the endpoints cannot be used, and no other one answers
 */
export async function inspectStore(target: RedisTarget, env: InspectionSettings): Promise<Inspection> {
  const timeoutMs = Math.max(MIN_TIMEOUT_MS, env.REDIS_TIMEOUT_MS)
  const inspect = async (endpoint: Endpoint) => {
    const master = target.kind === 'sentinel' ? await askSentinel(target, endpoint, timeoutMs) : endpoint
    return inspectMaster(target, master, { keyPrefix: env.KEY_PREFIX, timeoutMs })
  }
  try {
    return await Promise.any(target.endpoints.map(inspect))
  } catch (err) {
    const { errors } = err as AggregateError
    const faults = errors.filter(error => error instanceof PreflightError)
    // A single Sentinel or node of several may be set up wrongly, while the others do not answer for a moment.
    if (2 * faults.length >= errors.length) throw faults[0]
    const reasons = target.endpoints.map((endpoint, i) => `${addressOf(endpoint)}: ${reasonOf(errors[i])}`)
    return { unavailable: reasons.join('; ') }
  }
}

async function inspectMaster(
  target: RedisTarget,
  endpoint: Endpoint,
  { keyPrefix, timeoutMs }: { readonly keyPrefix: string; readonly timeoutMs: number },
): Promise<Inspection> {
  const options = { ...loginOptions(target), db: target.database, timeoutMs }
  const { missing, ...inspection } = await ask(endpoint, options, async redis => {
    const info = parseInfo(await redis.info())
    const mode = modeIn(info)
    const wanted = target.kind === 'cluster' ? 'cluster' : 'standalone'
    if (mode !== undefined && mode !== wanted) {
      throw new PreflightError(`is a ${mode} server at ${addressOf(endpoint)}; use ${MODE_OF_URL[mode]}…`)
    }
    requireVersion(info.get('redis_version'), endpoint)
    const [, savePoints] = (await redis.config('GET', 'save').catch(() => [])) as string[]
    return { info, savePoints, missing: await missingRights(redis, requiredRights(target, keyPrefix)) }
  })
  const channel = announcementChannel(keyPrefix)
  const subscription = target.holdsPolicies
    ? await ask(endpoint, options, redis => missingSubscription(redis, channel))
    : []
  requireAll([...missing, ...subscription])
  return inspection
}

function requireAll(missing: readonly MissingRight[]): void {
  if (missing.length === 0) return
  throw new PreflightError(
    `names a Redis user that may not ${describeMissing(missing)}; docs/security.md lists the rights that it needs`,
  )
}

function requireVersion(version: string | undefined, endpoint: Endpoint): void {
  const place = addressOf(endpoint)
  const needed = `the service needs Redis ${OLDEST_REDIS.join('.')} or later, or Valkey`
  if (version === undefined) throw new PreflightError(`reports no version at ${place}; ${needed}`)
  const found = /^(\d+)(?:\.(\d+))?/.exec(version)
  if (found === null) throw new PreflightError(`reports the version ${JSON.stringify(version)} at ${place}; ${needed}`)
  const [major, minor] = [Number(found[1]), Number(found[2] ?? 0)]
  const [oldestMajor, oldestMinor] = OLDEST_REDIS
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return
  throw new PreflightError(`is Redis ${version} at ${place}; ${needed}`)
}

/** The address of the master. */
function askSentinel(target: RedisTarget, endpoint: Endpoint, timeoutMs: number): Promise<Endpoint> {
  const { masterName = '', sentinelPassword: password, tls, tlsFiles } = target
  const options = { ...(password !== undefined && { password }), ...(tls && { tls: tlsFiles }), timeoutMs }
  return ask(endpoint, options, async sentinel => {
    const place = addressOf(endpoint)
    if (modeIn(parseInfo(await sentinel.info('server'))) !== 'sentinel') {
      throw new PreflightError(`has no Sentinel at ${place}`)
    }
    const address = (await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', masterName)) as [string, string] | null
    if (address !== null) return { host: address[0], port: Number(address[1]) }
    const masters = (await sentinel.call('SENTINEL', 'MASTERS')) as string[][]
    const known = masters.map(master => master[master.indexOf('name') + 1])
    throw new PreflightError(
      `names a master "${masterName}" that the Sentinel at ${place} does not know; it knows ${known.join(', ') || 'none'}`,
    )
  })
}

interface AskOptions {
  readonly username?: string
  readonly password?: string
  readonly db?: number
  readonly tls?: TlsFiles
  /** Of the connection, and of each command. */
  readonly timeoutMs: number
}

/** Opens one connection for `talk`. @throws {PreflightError} for a permanent failure */
async function ask<T>(
  endpoint: Endpoint,
  { timeoutMs, ...login }: AskOptions,
  talk: (redis: Redis) => Promise<T>,
): Promise<T> {
  const redis = new Redis({
    ...login,
    ...endpoint,
    lazyConnect: true,
    enableReadyCheck: false,
    retryStrategy: null,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
  })
  let first: Error | undefined
  redis.on('error', err => {
    first ??= err
  })
  try {
    if (login.tls !== undefined) await probeTls(endpoint, login.tls, timeoutMs)
    await redis.connect()
    const answer = await talk(redis)
    if (first !== undefined) throw first
    return answer
  } catch (err) {
    const cause = first ?? (err as Error)
    throw isPermanent(cause) ? new PreflightError(`is refused by ${addressOf(endpoint)}: ${reasonOf(cause)}`) : cause
  } finally {
    redis.disconnect()
  }
}

function isPermanent(err: Error): boolean {
  if (err.name === 'ReplyError') return !TEMPORARY_REPLIES.test(err.message)
  return TLS_FAULTS.test((err as NodeJS.ErrnoException).code ?? '')
}

/** Redis and Valkey have names of their own for it. A service may leave it out. */
function modeIn(info: ReadonlyMap<string, string>): keyof typeof MODE_OF_URL | undefined {
  return (info.get('redis_mode') ?? info.get('server_mode')) as keyof typeof MODE_OF_URL | undefined
}

/** @see https://redis.io/docs/latest/commands/info/ and https://valkey.io/commands/info/ */
function parseInfo(text: string): ReadonlyMap<string, string> {
  return new Map([...text.matchAll(/^([a-z_]+):(.*?)\r?$/gm)].map(([, name = '', value = '']) => [name, value]))
}
