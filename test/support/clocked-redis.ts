import { createHash } from 'node:crypto'
import { Command, Redis } from 'ioredis'
import { ScriptCall } from '../../src/redis/buckets/script-call.ts'
import {
  type BucketScript,
  checkGroupsScript,
  checkScript,
  reservationsScript,
  resetScript,
} from '../../src/redis/scripts.ts'

type WriteableStream = Parameters<Redis['sendCommand']>[1]

const CLOCK = 'test:clock'
const EXPIRIES = 'test:expiries'

/** How much longer the script keeps a key than its bucket needs, in ms. */
export const EXPIRY_SLACK_MS = 5n

/**
 * A connection whose calls of scripts, including expiry, use a clock that the test sets. The expiry that the script sets is only recorded,
 * and the first check after that time, by the test's clock, deletes the key.
 */
export class ClockedRedis extends Redis {
  constructor(url: string) {
    super(url)
    for (const { lua } of CLOCKED_SCRIPTS) void this.script('LOAD', lua)
  }

  override sendCommand(command: Command, stream?: WriteableStream): unknown {
    return super.sendCommand(command instanceof ScriptCall ? new ClockedCall(command) : command, stream)
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

/** A call with the script of this clock. */
class ClockedCall extends Command {
  readonly #text: string

  constructor(call: ScriptCall) {
    super('evalsha')
    const text = call.toWritable()
    const clocked = CLOCKED_SCRIPTS.find(({ evalsha }) => text.includes(evalsha))
    if (clocked === undefined) throw new Error('the call does not name a script by its hash')
    this.#text = text.replace(clocked.evalsha, () => clocked.clockedEvalsha)
  }

  override toWritable(): string {
    return this.#text
  }
}

function argument(text: string): string {
  return `\r\n$${Buffer.byteLength(text)}\r\n${text}`
}

const CLOCKED_SCRIPTS = [checkScript, checkGroupsScript, reservationsScript, resetScript].map(
  ({ inOneSlot }: BucketScript) => {
    const lua = clocked(inOneSlot.lua)
    const sha = createHash('sha1').update(lua).digest('hex')
    return {
      lua,
      evalsha: argument('EVALSHA') + argument(inOneSlot.sha),
      clockedEvalsha: argument('EVALSHA') + argument(sha),
    }
  },
)

/** Records of reservations expire to the millisecond; buckets and their holds a little later. */
function clocked(lua: string): string {
  return `
  local real = redis
  local clock = real.call('HMGET', '${CLOCK}', 'seconds', 'microseconds')
  local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  local function expire(key)
    local expiry = tonumber(real.call('HGET', '${EXPIRIES}', key) or nil)
    local slack = string.find(key, ':reservation:{', 1, true) and 0 or ${EXPIRY_SLACK_MS}
    if expiry and expiry - slack <= now then
      real.call('DEL', key)
      real.call('HDEL', '${EXPIRIES}', key)
    end
  end
  local function unless_expired(name)
    return function(key, ...)
      expire(key)
      return real.call(name, key, ...)
    end
  end
  local function set_expiry(key, expiry)
    real.call('HSET', '${EXPIRIES}', key, string.format('%.0f', expiry))
  end
  local clocked = {
    TIME = function() return clock end,
    PTTL = function(key) return real.call('HGET', '${EXPIRIES}', key) - now end,
    PEXPIRETIME = function(key) return tonumber(real.call('HGET', '${EXPIRIES}', key)) end,
    PEXPIREAT = set_expiry,
    SET = function(key, value, option, expiry)
      if option == 'PXAT' then
        set_expiry(key, expiry)
      elseif option ~= 'KEEPTTL' then
        error('the script left ' .. key .. ' without an expiry')
      end
      return real.call('SET', key, value)
    end,
    DEL = function(key)
      real.call('DEL', key)
      real.call('HDEL', '${EXPIRIES}', key)
    end,
  }
  clocked.UNLINK = clocked.DEL
  for _, name in ipairs({ 'GET', 'ZADD', 'ZREM', 'ZCARD', 'ZSCORE', 'ZRANGE', 'ZRANGEBYSCORE', 'ZREMRANGEBYRANK' }) do
    clocked[name] = unless_expired(name)
  end
  local function call(name, ...) return clocked[name](...) end
  local function caught(...)
    local is_done, result = pcall(call, ...)
    if is_done or type(result) == 'table' then return result end
    return { err = result }
  end
  local redis = { call = call, pcall = caught }
  ${lua}`
}
