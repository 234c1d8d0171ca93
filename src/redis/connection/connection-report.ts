import { Cluster, type Redis } from 'ioredis'
import type { Logger } from '../../observability/logger.ts'
import { causeOfAbort } from './aborted-transaction.ts'

interface ReportOptions {
  /** Name of the connection. */
  readonly name: string
  readonly logger: Logger
}

/** Logs once when a connection is lost, and once when it has recovered. */
export function reportLosses(client: Redis | Cluster, { name, logger }: ReportOptions): void {
  let lost = false
  client.on('error', (err: Error) => {
    if (!lost) logger.warn({ reason: reasonOf(err), connection: name }, 'the connection to Redis is lost')
    lost = true
  })
  client.on('ready', () => {
    if (lost) logger.info({ connection: name }, 'the connection to Redis has recovered')
    lost = false
  })
  if (client instanceof Cluster) reportLostMasters(client, { name, logger })
}

/** The same for each master of a cluster. The cluster client creates a new connection for each attempt. */
function reportLostMasters(cluster: Cluster, { name, logger }: ReportOptions): void {
  const lost = new Set<string>()
  const reasons = new Map<string, string>()
  cluster.on('node error', (err: Error, node: string) => reasons.set(node, reasonOf(err)))
  cluster.on('-node', ({ options }: Redis) => {
    const node = `${options.host}:${options.port}`
    const reason = reasons.get(node)
    reasons.delete(node)
    if (options.readOnly || lost.has(node) || cluster.status !== 'ready') return
    lost.add(node)
    logger.warn({ reason, connection: name, node }, 'the connection to a master of Redis Cluster is lost')
  })
  cluster.on('+node', (redis: Redis) => {
    const node = `${redis.options.host}:${redis.options.port}`
    redis.once('ready', () => {
      if (lost.delete(node))
        logger.info({ connection: name, node }, 'the connection to a node of Redis Cluster has recovered')
    })
  })
}

/** Messages of ioredis that only its developers understand, in plain words. */
const PLAIN_WORDS: readonly (readonly [start: string, reason: string])[] = [
  ['Unknown RESP type', 'the server does not speak the Redis protocol'],
  ['Reached the max retries per request limit', 'the connection was lost'],
]

/** The message of an ioredis error. The error itself may contain the command, and with it a password. */
export function reasonOf(err: Error): string {
  const cause = causeOfAbort(err) as Error & { code?: string; lastNodeError?: Error; errors?: Error[] }
  const { name, message, code, lastNodeError, errors } = cause
  if (lastNodeError) return reasonOf(lastNodeError)
  const [, plain] = PLAIN_WORDS.find(([start]) => message.startsWith(start)) ?? []
  return plain || message || errors?.map(each => each.message).join(', ') || code || name
}
