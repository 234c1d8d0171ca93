import { replyCause } from './reply-cause.ts'

/** Replies of a Redis that cannot execute a command now, though the command is right. */
const TRANSIENT_REPLIES =
  /^(LOADING|BUSY|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|NOREPLICAS|OOM|MISCONF|NOAUTH|NOSCRIPT|ERR max number of clients reached)\b/

/**
 * Commands that log a connection in. If the server refuses one, ioredis fails all commands that wait for the connection with this reply,
 * although the server would execute them once the user can log in again.
 */
const LOGINS: readonly unknown[] = ['hello', 'auth']

/** What a script is told, without a code, in a cluster that allows reads while it is down. */
export const CLUSTER_DOWN_IN_SCRIPT = 'while the cluster is down'

/** The connection that a command needs is lost. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost'
}

/** A reply is not of the type that its command has, so the replies that follow cannot be trusted either. */
export class MalformedReply extends Error {
  override readonly name = 'MalformedReply'
}

/** Names of connection errors, here and in ioredis, its parser and BullMQ. */
const CONNECTION_ERRORS = new Set([
  'ConnectionLost',
  'MalformedReply',
  'AbortError',
  'InterruptError',
  'ParserError',
  'MaxRetriesPerRequestError',
  'ClusterAllFailedError',
  'ConnectionClosedError',
])

/** Messages of ioredis' other connection errors, which are plain errors without a code. */
const CONNECTION_MESSAGES = [
  'Connection is closed.',
  'Connection is aborted',
  'Connection is discarded',
  'Command timed out',
  "Stream isn't writeable",
  "Cluster isn't ready",
  'Cluster is disconnect',
  'Node is disconnected',
  'None of startup nodes is available',
  'Too many Cluster redirections.',
  'All sentinels are unreachable',
  'Unknown RESP type',
]

/** Node's codes of sockets, name resolution and TLS. */
const NETWORK_CODES =
  /^(ECONN(REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|E(HOST|NET)(UNREACH|DOWN)|ENETRESET|EADDRNOTAVAIL|ENOTFOUND|EAI_\w+|ERR_(TLS|SSL)_\w+|ERR_STREAM_(DESTROYED|WRITE_AFTER_END))$/

/** As ioredis and Node.js describe it. */
interface ErrorOfRedis extends Error {
  readonly code?: unknown
  readonly command?: { readonly name: string }
}

function isTransientReply(message: string): boolean {
  return TRANSIENT_REPLIES.test(message) || message.includes(CLUSTER_DOWN_IN_SCRIPT)
}

/** Whether a retry may succeed: after a lost connection it may, after a wrong command or a bug of ours never. */
export function isTransient(err: Error): boolean {
  const { name, message, code, command } = replyCause(err) as ErrorOfRedis
  if (name === 'ReplyError') return isTransientReply(message) || LOGINS.includes(command?.name)
  if (CONNECTION_ERRORS.has(name)) return true
  if (typeof code === 'string' && NETWORK_CODES.test(code)) return true
  return CONNECTION_MESSAGES.some(text => message.startsWith(text))
}
