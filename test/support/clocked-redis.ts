import { Redis } from 'ioredis'

const CLOCK = 'test:clock'
const EXPIRIES = 'test:expiries'

/** How much longer than a bucket the script keeps its key, ms. */
export const EXPIRY_SLACK_MS = 5n

/**
 * A connection whose scripts live by a clock that the test sets, expiry included: what a script wants to expire is noted,
 * and deleted by the next script that runs that much later by the test's clock.
 */
export class ClockedRedis extends Redis {
  override defineCommand(name: string, definition: { lua: string; numberOfKeys?: number; readOnly?: boolean }): void {
    super.defineCommand(name, { ...definition, lua: underTestClock(definition.lua) })
  }

  /** Sets the clock to the first microsecond of an even, the last of an odd millisecond: it is rounded down. */
  async setClock(nowMs: number): Promise<void> {
    const microseconds = (nowMs % 1000) * 1000 + (nowMs % 2) * 999
    await this.hset(CLOCK, { seconds: Math.floor(nowMs / 1000), microseconds })
  }

  /** When a key is to expire by the test's clock; `undefined` when there is no such key. */
  async expiryOf(key: string): Promise<bigint | undefined> {
    const expiry = await this.hget(EXPIRIES, key)
    return expiry === null ? undefined : BigInt(expiry)
  }
}

function underTestClock(lua: string): string {
  const parts = lua.split(`call('TIME')`)
  if (parts.length !== 2) throw new Error(`the script asks for the time ${parts.length - 1} times, not once`)
  return `
    local clock = redis.call('HMGET', '${CLOCK}', 'seconds', 'microseconds')
    local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
    for _, key in ipairs(KEYS) do
      local expiry = tonumber(redis.call('HGET', '${EXPIRIES}', key) or nil)
      if expiry and expiry - ${EXPIRY_SLACK_MS} <= now then
        redis.call('DEL', key)
        redis.call('HDEL', '${EXPIRIES}', key)
      elseif expiry then
        redis.call('PEXPIRE', key, string.format('%.0f', expiry - now))
      end
    end
    local reply = (function()
      ${parts.join(`call('HMGET', '${CLOCK}', 'seconds', 'microseconds')`)}
    end)()
    local noted = {}
    for _, key in ipairs(KEYS) do
      local left = not noted[key] and redis.call('PTTL', key)
      if left == -1 then return redis.error_reply('the script left ' .. key .. ' without an expiry') end
      if left and left >= 0 then
        redis.call('HSET', '${EXPIRIES}', key, string.format('%.0f', now + left))
        redis.call('PERSIST', key)
      end
      noted[key] = true
    end
    return reply`
}
