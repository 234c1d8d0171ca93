import { type CommonRedisOptions, Redis } from 'ioredis'
import type { Logger } from '../logger.ts'

const LONGEST_RECONNECT_PAUSE_MS = 200

const common = {
  connectTimeout: 2_000,
  retryStrategy: (attempt: number) => Math.min(attempt * 20, LONGEST_RECONNECT_PAUSE_MS),
} satisfies CommonRedisOptions

/**
 * What a connection is for decides what it does while Redis is away.
 * Requests fail at once rather than wait, and nothing is sent twice: a batch that was sent again after a reconnect could
 * spend twice. Workers wait for as long as it takes, tools for about a second.
 * @see https://docs.bullmq.io/guide/going-to-production
 */
const purposes = {
  request: { enableOfflineQueue: false, autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 },
  subscriber: { maxRetriesPerRequest: null },
  worker: { maxRetriesPerRequest: null },
  tool: { autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 10 },
} satisfies Record<string, CommonRedisOptions>

export interface ConnectionOptions {
  readonly url: string
  /** Shown by `CLIENT LIST`. */
  readonly name: string
  readonly purpose: keyof typeof purposes
  readonly logger: Logger
  /** A connection that leaves a command unanswered for so long, ms, is dropped and made anew. */
  readonly hangTimeoutMs?: number
  /** A command that takes longer fails, ms. */
  readonly commandTimeoutMs?: number
}

/** A connection that heals by itself; says once when it is lost and once when it is back. */
export function connect(options: ConnectionOptions): Redis {
  const { url, name, purpose, logger } = options
  const redis = new Redis(url, {
    ...common,
    ...purposes[purpose],
    connectionName: name,
    socketTimeout: options.hangTimeoutMs,
    commandTimeout: options.commandTimeoutMs,
  })
  let lost = false
  redis.on('error', err => {
    if (!lost) logger.warn({ err, connection: name }, 'the connection to Redis is lost')
    lost = true
  })
  redis.on('ready', () => {
    if (lost) logger.info({ connection: name }, 'the connection to Redis is back')
    lost = false
  })
  return redis
}
