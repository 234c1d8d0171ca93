import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { commandId } from '../../src/domain/command-id.ts'
import { schemaOf } from '../../src/domain/events.ts'
import type { PolicyDefinition } from '../../src/domain/policy.ts'
import { eventArguments } from '../../src/redis/policies/append.ts'
import { appendScript } from '../../src/redis/scripts.ts'

const KEY_PREFIX = 'throttler'
const EVENTS_A_CALL = 1_000

/** Gives each of the keys `user:0`, `user:1` … a policy, as if by changes. */
export async function fillWithPolicies(
  redisUrl: string,
  policies: number,
  definitionOf: (n: number) => PolicyDefinition,
): Promise<void> {
  const redis = new Redis(redisUrl)
  const script = String(await redis.script('LOAD', appendScript.lua))
  for (let from = 0; from < policies; from += EVENTS_A_CALL) {
    const pipeline = redis.pipeline()
    for (let n = from; n < Math.min(from + EVENTS_A_CALL, policies); n++) {
      const [numberOfKeys, ...keysAndArguments] = creation(`user:${n}`, definitionOf(n))
      pipeline.evalsha(script, numberOfKeys, ...keysAndArguments)
    }
    await pipeline.exec()
  }
  redis.disconnect()
}

function creation(key: string, policy: PolicyDefinition) {
  const at = new Date().toISOString()
  const id = commandId(key, randomUUID())
  const type = 'created'
  const schema = schemaOf({ type, policy })
  const event = { schema, key, version: 1, type, at, actor: 'bench', commandId: id, policy } as const
  return eventArguments(event, undefined, { keyPrefix: KEY_PREFIX, retentionMs: 1 })
}
