import { Cluster, type Redis } from 'ioredis'
import { withoutArguments } from '../../lib/without-arguments.ts'
import type { Logger } from '../../observability/logger.ts'
import { isReply } from './failure-reason.ts'
import { replyCause } from './reply-cause.ts'

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
  const errors = new Map<string, Error>()
  cluster.on('node error', (err: Error, node: string) => errors.set(node, err))
  // After a node has told the slots, a lost connection has another reason than an earlier refusal.
  cluster.on('refresh', () => {
    for (const [node, err] of errors) if (isReply(err)) errors.delete(node)
  })
  cluster.on('-node', ({ options }: Redis) => {
    const node = `${options.host}:${options.port}`
    const err = errors.get(node)
    errors.delete(node)
    if (options.readOnly || lost.has(node) || cluster.status !== 'ready') return
    lost.add(node)
    const reason = err && reasonOf(err)
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

/** Messages of ioredis and OpenSSL that only their developers understand, in plain words. */
const PLAIN_WORDS: readonly (readonly [message: RegExp, reason: string])[] = [
  [/^Unknown RESP type/, 'the server does not speak the Redis protocol'],
  [/^Reached the max retries per request limit/, 'the connection was lost'],
  [/^Connection is closed/, 'the connection was lost'],
  [/^Stream isn't writeable/, 'there is no connection'],
  [/alert certificate required/, 'the server requires a client certificate: set REDIS_TLS_CERT and REDIS_TLS_KEY'],
  // What a server says that speaks TLS 1.2 only.
  [
    /alert handshake failure/,
    'the server requires a client certificate (REDIS_TLS_CERT and REDIS_TLS_KEY), or another cipher',
  ],
  [/alert certificate expired/, 'the server says that the client certificate (REDIS_TLS_CERT) has expired'],
  [
    /alert (bad certificate|certificate unknown|certificate revoked|unsupported certificate)/,
    'the server does not accept the client certificate (REDIS_TLS_CERT)',
  ],
  [/alert unknown ca/, 'the server does not trust the CA of the client certificate (REDIS_TLS_CERT)'],
  [/:wrong version number:/, 'the server does not speak TLS'],
]

/** An error of ioredis, or of the socket below it. */
interface ConnectionError extends Error {
  readonly code?: string
  readonly lastNodeError?: Error
  readonly errors?: readonly Error[]
  /** OpenSSL's own words. Its message also has numbers and the place in its source. */
  readonly reason?: string
}

/** Why a connection or a call failed, in words. The error itself may contain the command, and with it a key or a password. */
export function reasonOf(err: Error): string {
  const { name, message, code, reason, lastNodeError, errors }: ConnectionError = replyCause(err)
  if (lastNodeError) return reasonOf(lastNodeError)
  const [, plain] = PLAIN_WORDS.find(([known]) => known.test(message)) ?? []
  const ofTls = code?.startsWith('ERR_SSL_') && reason && `the TLS handshake failed: ${reason}`
  return plain || ofTls || withoutArguments(message) || errors?.map(each => each.message).join(', ') || code || name
}
