import { Command, Redis } from 'ioredis'
import { CheckCall } from '../../src/redis/buckets/check-call.ts'
import { checkScript } from '../../src/redis/scripts.ts'

type WriteableStream = Parameters<Redis['sendCommand']>[1]

const CLOCK = 'test:clock'
const EXPIRIES = 'test:expiries'

/** How much longer the script keeps a key than its bucket needs, in ms. */
export const EXPIRY_SLACK_MS = 5n

/**
 * A connection whose checks, including expiry, use a clock that the test sets. The expiry that the script sets is only recorded,
 * and the first check after that time, by the test's clock, deletes the key.
 */
export class ClockedRedis extends Redis {
  override sendCommand(command: Command, stream?: WriteableStream): unknown {
    return super.sendCommand(command instanceof CheckCall ? new ClockedCall(command) : command, stream)
  }

  /** Sets the clock, which is rounded down, to the first microsecond of an even or the last one of an odd millisecond. */
  async setClock(nowMs: number): Promise<void> {
    const microseconds = (nowMs % 1000) * 1000 + (nowMs % 2) * 999
    await this.hset(CLOCK, { seconds: Math.floor(nowMs / 1000), microseconds })
  }

  /** When a key expires by the test's clock; `undefined` if there is no such key. */
  async expiryOf(key: string): Promise<bigint | undefined> {
    const expiry = await this.hget(EXPIRIES, key)
    return expiry === null ? undefined : BigInt(expiry)
  }
}

/** A check call with the script of this clock, whose text is sent with every call. */
class ClockedCall extends Command {
  readonly #text: string

  constructor(call: CheckCall) {
    super('eval')
    const evalsha = argument('EVALSHA') + argument(checkScript.sha)
    const text = call.toWritable()
    if (!text.includes(evalsha)) throw new Error('the call does not name the script by its hash')
    this.#text = text.replace(evalsha, () => argument('EVAL') + argument(CLOCKED_SCRIPT))
  }

  override toWritable(): string {
    return this.#text
  }
}

function argument(text: string): string {
  return `\r\n$${Buffer.byteLength(text)}\r\n${text}`
}

const CLOCKED_SCRIPT = `
  local real = redis
  local clock = real.call('HMGET', '${CLOCK}', 'seconds', 'microseconds')
  local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  for _, key in ipairs(KEYS) do
    local expiry = tonumber(real.call('HGET', '${EXPIRIES}', key) or nil)
    if expiry and expiry - ${EXPIRY_SLACK_MS} <= now then
      real.call('DEL', key)
      real.call('HDEL', '${EXPIRIES}', key)
    end
  end
  local clocked = {
    TIME = function() return clock end,
    GET = function(key) return real.call('GET', key) end,
    PTTL = function(key) return real.call('HGET', '${EXPIRIES}', key) - now end,
    PEXPIRETIME = function(key) return tonumber(real.call('HGET', '${EXPIRIES}', key)) end,
    SET = function(key, value, option, expiry)
      if option ~= 'PXAT' then error('the script left ' .. key .. ' without an expiry') end
      real.call('SET', key, value)
      real.call('HSET', '${EXPIRIES}', key, string.format('%.0f', expiry))
    end,
  }
  local function call(name, ...) return clocked[name](...) end
  local redis = { call = call, pcall = call }
  ${checkScript.lua}`
