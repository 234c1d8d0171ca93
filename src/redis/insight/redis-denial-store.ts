import { type Static, Type } from '@sinclair/typebox'
import { DECISION_SOURCES, type DecisionSource } from '../../domain/decision.ts'
import type { Denial, DenialRange, DenialRecord, DenialStore } from '../../insight/ports.ts'
import { MAX_DATE_MS } from '../../lib/dates.ts'
import { parseJson } from '../../lib/parse-json.ts'
import { validatorOf } from '../../lib/validator.ts'
import type { RedisClient } from '../connection/connection.ts'
import { type DefinedScript, defineScript } from '../define-script.ts'
import { InsightKeys } from '../keys.ts'
import { addDenialsScript } from '../scripts.ts'

/** By how much the time of a denial and that of its record may differ, in ms: records are a second late, and clocks differ. */
const MAX_SKEW_MS = 10_000

const count = Type.Integer({ minimum: 0 })

/** An array, since an object would repeat the names of its members in each of many records. */
const StoredDenial = Type.Tuple([
  Type.Integer({ minimum: 0, maximum: MAX_DATE_MS, description: 'at' }),
  Type.String({ description: 'key' }),
  Type.String({ description: 'policy' }),
  Type.Integer({ minimum: 0, description: 'policyVersion' }),
  Type.Array(Type.String(), { description: 'violated' }),
  Type.Integer({ minimum: 0, description: 'tokens' }),
  Type.Union([count, Type.Null()], { description: 'remaining' }),
  Type.Union([count, Type.Null()], { description: 'retryAfterMs' }),
  Type.Unsafe<DecisionSource>({ type: 'string', enum: [...DECISION_SOURCES], description: 'source' }),
  Type.Union([Type.String(), Type.Null()], { description: 'requestId' }),
])
type StoredDenial = Static<typeof StoredDenial>

const isStored = validatorOf<StoredDenial>(StoredDenial)

/** The denials are a stream, whose entries are named by Redis's clock. */
export class RedisDenialStore implements DenialStore {
  readonly #redis: RedisClient
  readonly #key: string
  readonly #kept: number
  readonly #addDenials: DefinedScript<null>

  /** @param kept how many are kept */
  constructor(redis: RedisClient, keyPrefix: string, kept: number) {
    this.#redis = redis
    this.#key = new InsightKeys(keyPrefix).denials
    this.#kept = kept
    this.#addDenials = defineScript(redis, 'addDenials', addDenialsScript)
  }

  async add(denials: readonly Denial[]): Promise<void> {
    await this.#addDenials(1, this.#key, this.#kept, ...denials.map(storedJson))
  }

  async read({ fromMs, toMs, before }: DenialRange, limit: number): Promise<readonly DenialRecord[]> {
    const last = before === undefined ? timeOr('+', toMs, MAX_SKEW_MS) : `(${before}`
    const entries = await this.#redis.xrevrange(this.#key, last, timeOr('-', fromMs, -MAX_SKEW_MS), 'COUNT', limit)
    return entries.map(([place, [, json = '']]) => ({ place, denial: denialIn(json) }))
  }
}

function timeOr(end: '-' | '+', ms: number | undefined, skewMs: number): string {
  return ms === undefined ? end : String(Math.max(0, ms + skewMs))
}

function storedJson(denial: Denial): string {
  const { atMs, key, policy, policyVersion, violated, tokens, remaining, retryAfterMs, source, requestId } = denial
  const counts: [number, number | null, number | null] = [tokens, remaining, retryAfterMs]
  const stored: StoredDenial = [atMs, key, policy, policyVersion, [...violated], ...counts, source, requestId ?? null]
  return JSON.stringify(stored)
}

/** `undefined` if the record is damaged. */
function denialIn(json: string): Denial | undefined {
  const stored = parseJson(json)
  if (!isStored(stored)) return undefined
  const [atMs, key, policy, policyVersion, violated, tokens, remaining, retryAfterMs, source, requestId] = stored
  return {
    ...{ atMs, key, policy, policyVersion, violated, tokens, remaining, retryAfterMs, source },
    requestId: requestId ?? undefined,
  }
}
