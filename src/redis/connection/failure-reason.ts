import type { EventEmitter } from 'node:events'
import { TimeoutError } from '../../lib/deadline.ts'
import { replyCause } from './reply-cause.ts'
import { CLUSTER_DOWN_IN_SCRIPT } from './transient.ts'

/** How a script says that its user may not run a command: until Redis 7.0, and since Redis 7.2 and in Valkey. */
const DENIED_IN_SCRIPT = ["The user executing the script can't", 'ACL failure in script']

/** Error codes, or parts of the error, of a Redis that answers but cannot execute the command. */
const REASONS: Readonly<Record<string, string>> = {
  OOM: 'out-of-memory',
  MISCONF: 'cannot-persist',
  READONLY: 'read-only',
  NOREPLICAS: 'too-few-replicas',
  LOADING: 'loading',
  BUSY: 'busy',
  CLUSTERDOWN: 'cluster-down',
  [CLUSTER_DOWN_IN_SCRIPT]: 'cluster-down',
  NOAUTH: 'not-authorized',
  NOPERM: 'not-authorized',
  ...Object.fromEntries(DENIED_IN_SCRIPT.map(text => [text, 'not-authorized'])),
  WRONGPASS: 'not-authorized',
}

/** What a node of a cluster replies about a slot that no master owns. */
const UNOWNED_SLOT = /^CLUSTERDOWN Hash slot not served/
const UNOWNED_SLOTS = 'unowned-slots'

/** Every reason of a failed store call. */
export const FAILURE_REASONS: readonly string[] = [
  'timeout',
  'connection-lost',
  'refused',
  UNOWNED_SLOTS,
  ...new Set(Object.values(REASONS)),
]

const WRITE_REFUSALS = new Set(['out-of-memory', 'cannot-persist', 'read-only', 'too-few-replicas'])

/** Whether a store that fails for this reason can still be read. */
export function refusesWrites(reason: string): boolean {
  return WRITE_REFUSALS.has(reason)
}

const CODE = new RegExp(`\\b(${Object.keys(REASONS).join('|')})\\b`)

const DENIED = new RegExp(`^NOPERM|${DENIED_IN_SCRIPT.join('|')}`)

/** Why a Redis call failed: one of a few words, for metrics and `/health`. */
export function failureReason(err: unknown): string {
  if (err instanceof TimeoutError) return 'timeout'
  if (!isReply(err)) return 'connection-lost'
  if (isUnownedSlot(err)) return UNOWNED_SLOTS
  return REASONS[CODE.exec(replyCause(err).message)?.[1] ?? ''] ?? 'refused'
}

/** Whether the user may not run a command, or not on its keys. */
export function isDenied(err: unknown): boolean {
  return isReply(err) && DENIED.test(replyCause(err).message)
}

/** Whether a command failed because no master of the cluster owns its slot. */
export function isUnownedSlot(err: unknown): boolean {
  return isReply(err) && UNOWNED_SLOT.test(replyCause(err).message)
}

/** Whether a command failed because its server is no longer the master. The client then connects again, to the present master. */
export function isDemoted(err: Error): boolean {
  return replyCause(err).message.startsWith('READONLY')
}

/**
 * The same for the calls of one client. While a server refuses its connections, what it says is the reason of a lost connection;
 * so is the reply of a demoted master until the client has connected again. While the nodes of a cluster do not let the client read
 * where its slots are, it finds no other masters, and that is the reason.
 */
export function failureReasonOf(client: EventEmitter): (err: unknown) => string {
  let refusal: Error | undefined
  let hiddenSlots: Error | undefined
  client.on('node error', (err: Error) => {
    if (failureReason(err) === 'not-authorized') hiddenSlots = err
  })
  client.on('refresh', () => {
    hiddenSlots = undefined
  })
  for (const event of ['error', 'demoted']) {
    client.on(event, (err: Error) => {
      refusal = err
    })
  }
  client.on('ready', () => {
    refusal = undefined
  })
  return err => failureReason(isReply(err) || err instanceof TimeoutError ? err : (hiddenSlots ?? refusal))
}

/** An error like a server's reply. The one of ioredis has the name of its class, which a bundle may change. */
export function replyError(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' })
}

/** Whether an error is the reply of a server, and not that of a lost connection. */
export function isReply(err: unknown): err is Error {
  return err instanceof Error && err.name === 'ReplyError'
}
