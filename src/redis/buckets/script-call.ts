/** Encodes calls of the scripts of buckets. */
import { Command } from 'ioredis'
import type { ReservationId } from '../../domain/reservation-id.ts'
import type { BucketKeys } from '../keys.ts'
import type { BucketScript, Script } from '../scripts.ts'

/** The reply of a Redis that does not know the script yet. Nothing was executed. */
const UNKNOWN_SCRIPT = /^NOSCRIPT /

/** Whether the call was not executed because Redis does not know the script. */
export function isUnknownScript(err: unknown): boolean {
  return UNKNOWN_SCRIPT.test((err as Error).message)
}

/** How a script is called. */
export interface CallMode {
  /** Whether the keys may be in several slots of one master, which not every Redis supports. */
  readonly acrossSlots?: boolean
  /** Whether to send the script itself, for a Redis that may not know it. */
  readonly withSource?: boolean
  /** Whether the call follows redirections: then some of its keys may be at another master. */
  readonly isRedirected?: boolean
}

/** What a script is called with. */
export interface ScriptInput {
  readonly script: BucketScript
  readonly keyCount: number
  /** The keys as arguments, one after another; see `argument`. */
  readonly keys: string
  /** Those that the scripts expect before the keys, if the keys are arguments. */
  readonly args: readonly [string, string]
  /** A cluster client routes by it. */
  readonly firstKey: string | undefined
}

/**
 * One call of a script. It is serialized here, as one text: ioredis would spend more on each of its hundreds of arguments than
 * the decision costs.
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
export class ScriptCall extends Command {
  readonly #text: string
  /** Only the key is kept: ioredis may keep a call after its reply, which would keep what was asked alive too. */
  readonly #firstKey: string[]

  constructor(input: ScriptInput, { acrossSlots = false, withSource = false, isRedirected = false }: CallMode = {}) {
    super(withSource ? 'eval' : 'evalsha')
    const script = headsOf(input.script)[acrossSlots ? 'acrossSlots' : 'inOneSlot']
    const args = argument(input.args[0]) + argument(input.args[1]) + (isRedirected ? REDIRECTED : '')
    const head = `*${5 + input.keyCount + Number(isRedirected)}${withSource ? script.eval : script.evalsha}`
    this.#text = acrossSlots
      ? `${head}${NO_KEYS}${args}${input.keys}\r\n`
      : `${head}${argument(String(input.keyCount))}${input.keys}${args}\r\n`
    this.#firstKey = input.firstKey === undefined ? [] : [input.firstKey]
  }

  override getKeys(): string[] {
    return this.#firstKey
  }

  override toWritable(): string {
    return this.#text
  }
}

/** A bulk string, preceded by the line end of the previous one. */
export function argument(text: string): string {
  return `\r\n$${Buffer.byteLength(text)}\r\n${text}`
}

const NO_KEYS = argument('0')
const REDIRECTED = argument('1')

interface ScriptHeads {
  readonly inOneSlot: Head
  readonly acrossSlots: Head
}

interface Head {
  readonly eval: string
  readonly evalsha: string
}

const scriptHeads = new WeakMap<BucketScript, ScriptHeads>()

function headsOf(script: BucketScript): ScriptHeads {
  const known = scriptHeads.get(script)
  if (known !== undefined) return known
  const heads = { inOneSlot: headFor(script.inOneSlot), acrossSlots: headFor(script.acrossSlots) }
  scriptHeads.set(script, heads)
  return heads
}

function headFor({ lua, sha }: Script): Head {
  return { eval: argument('EVAL') + argument(lua), evalsha: argument('EVALSHA') + argument(sha) }
}

/** By prefix, then by the bytes that follow it. */
const keyHeads = new Map<string, string[]>()

/** The key of a bucket as an argument. */
export function bucketArgument(key: string, keys: BucketKeys): string {
  return keyHead(keys.prefixOf(key), Buffer.byteLength(key)) + key
}

/** The key of a reservation's record as an argument. An id is ASCII. */
export function recordArgument(id: ReservationId, keys: BucketKeys): string {
  return keyHead(keys.recordPrefixOf(id), id.length) + id
}

/** The part of such an argument before the caller's key, or the id. It is built once, since there are few. */
function keyHead(prefix: string, bytes: number): string {
  const ofPrefix = keyHeads.get(prefix) ?? []
  if (ofPrefix.length === 0) keyHeads.set(prefix, ofPrefix)
  const known = ofPrefix[bytes]
  if (known !== undefined) return known
  const head = `\r\n$${Buffer.byteLength(prefix) + bytes}\r\n${prefix}`
  ofPrefix[bytes] = head
  return head
}
