import type { RedisClient } from '../connection/connection.ts'
import type { BucketKeys } from '../keys.ts'
import { NO_REPORT, type ReplyReport } from './check-reply.ts'
import { type Protocol, protocolsFor } from './protocols.ts'
import { RedisKeyStore } from './redis-key-store.ts'
import { isUnknownScript, type ScriptCall } from './script-call.ts'

/** Buckets in a standalone Redis: one script call for a whole batch. On a cluster, a batch is one check, or one group. */
export class RedisBucketStore extends RedisKeyStore {
  constructor(redis: RedisClient, keys: BucketKeys, report: ReplyReport = NO_REPORT) {
    const send = (call: ScriptCall) => redis.sendCommand(call) as Promise<Buffer>
    super({
      redis,
      keys,
      protocols: protocolsFor(keys, report),
      ask: async (protocol, items) => protocol.read(await callOnce(send, protocol, items), items),
    })
  }
}

async function callOnce<Item, Result>(
  send: (call: ScriptCall) => Promise<Buffer>,
  protocol: Protocol<Item, Result>,
  items: readonly Item[],
): Promise<Buffer> {
  try {
    return await send(protocol.call(items, {}))
  } catch (err) {
    if (!isUnknownScript(err)) throw err
    return await send(protocol.call(items, { withSource: true }))
  }
}
