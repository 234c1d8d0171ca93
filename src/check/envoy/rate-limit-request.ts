import type { DescriptorEntry } from '../../domain/descriptors/descriptor-pattern.ts'
import { encodedBytes } from '../../domain/descriptors/descriptor-text.ts'
import { MalformedMessage, WireReader } from '../../grpc/wire-reader.ts'
import { type Problem, validationProblem } from '../../lib/errors.ts'
import { shown } from '../../lib/field-errors.ts'
import { OVERRIDE_UNITS, type OverrideUnit, UNITS, type Unit } from './units.ts'

export const MAX_DESCRIPTORS = 1_000
/** Of all descriptors together. */
const MAX_ENTRIES = 10_000

/** A limit that comes with a descriptor. */
export interface Override {
  /** 0 allows nothing. */
  readonly requestsPerUnit: number
  readonly unit: OverrideUnit
}

/** One descriptor of a request. */
export interface AskedDescriptor {
  readonly entries: readonly DescriptorEntry[]
  readonly override: Override | undefined
  /** `undefined`: those of the request. */
  readonly hits: number | undefined
  /** The hits are given back. */
  readonly isNegativeHits: boolean
}

/** A question of Envoy. Its texts are encoded. @see envoy/service/ratelimit/v3/rls.proto, `RateLimitRequest` */
export interface RateLimitRequest {
  readonly domain: string
  readonly descriptors: readonly AskedDescriptor[]
  /** 0 counts as 1. */
  readonly hitsAddend: number
}

/** Refuses requests with too much in them while they are read. */
export class RequestBounds {
  #descriptors = 0
  #entries = 0

  /** @throws {Problem} `validation-failed` */
  countDescriptor(): void {
    if (++this.#descriptors > MAX_DESCRIPTORS) throw invalid('descriptors', `must be at most ${MAX_DESCRIPTORS}`)
  }

  /** @throws {Problem} `validation-failed` */
  countEntry(): void {
    if (++this.#entries > MAX_ENTRIES) throw invalid('descriptors', `must have at most ${MAX_ENTRIES} entries in all`)
  }
}

/** @throws {Problem} `validation-failed` */
export function decodeRequest(message: Buffer): RateLimitRequest {
  try {
    return readRequest(new WireReader(message), new RequestBounds())
  } catch (err) {
    if (err instanceof MalformedMessage) throw invalid('the message', `is not a RateLimitRequest: ${err.message}`)
    throw err
  }
}

/** The fields of a request, of its descriptors, and of their entries and limits, up to the first that is malformed. */
export function fieldsIn(message: Buffer): number {
  const reader = new WireReader(message)
  let fields = 0
  const countEach = (pass: () => void) => () => {
    while (reader.next()) {
      fields++
      pass()
    }
  }
  const inLeaf = countEach(() => reader.skip())
  const inDescriptor = countEach(() => (reader.field <= 3 ? reader.message(inLeaf) : reader.skip()))
  const inRequest = countEach(() => (reader.field === 2 ? reader.message(inDescriptor) : reader.skip()))
  try {
    inRequest()
  } catch (err) {
    if (!(err instanceof MalformedMessage)) throw err
  }
  return fields
}

/** The problem of a member of a request. @param path such as `descriptors[2].limit.unit` */
export function invalid(path: string, message: string): Problem {
  return validationProblem([{ path, message }])
}

/**
 * @param given `undefined` if there is no unit
 * @throws {Problem} `validation-failed`
 */
export function acceptUnit(path: string, unit: Unit | undefined, given: unknown): OverrideUnit {
  if (unit !== undefined && unit !== 'UNKNOWN') return unit
  const allowed = `must be one of ${OVERRIDE_UNITS.join(', ')}`
  throw invalid(path, given === undefined ? `is missing; ${allowed}` : `${allowed}; was ${shown(given)}`)
}

const UNIT_OF_NUMBER = new Map((Object.keys(UNITS) as Unit[]).map(unit => [UNITS[unit] as number, unit]))

export function unitOfNumber(number: number): Unit | undefined {
  return UNIT_OF_NUMBER.get(number)
}

function readRequest(reader: WireReader, bounds: RequestBounds): RateLimitRequest {
  let domain = ''
  let hitsAddend = 0
  const descriptors: AskedDescriptor[] = []
  const readNext = () => readDescriptor(reader, bounds, descriptors.length)
  while (reader.next()) {
    if (reader.field === 1) domain = encodedBytes('domain', reader.latin1())
    else if (reader.field === 2) {
      bounds.countDescriptor()
      descriptors.push(reader.message(readNext))
    } else if (reader.field === 3) hitsAddend = reader.uint32()
    else reader.skip()
  }
  return { domain, descriptors, hitsAddend }
}

function readDescriptor(reader: WireReader, bounds: RequestBounds, index: number): AskedDescriptor {
  const entries: DescriptorEntry[] = []
  let override: Override | undefined
  let hits: number | undefined
  let isNegativeHits = false
  while (reader.next()) {
    if (reader.field === 1) {
      bounds.countEntry()
      entries.push(reader.message(readEntry))
    } else if (reader.field === 2) override = reader.message(() => readOverride(reader, index))
    else if (reader.field === 3) hits = reader.message(readWrapped)
    else if (reader.field === 4) isNegativeHits = reader.bool()
    else reader.skip()
  }
  return { entries, override, hits, isNegativeHits }
}

function readEntry(reader: WireReader): DescriptorEntry {
  let [key, value] = ['', '']
  while (reader.next()) {
    if (reader.field === 1) key = encodedBytes('key', reader.latin1())
    else if (reader.field === 2) value = encodedBytes('value', reader.latin1())
    else reader.skip()
  }
  return { key, value }
}

function readOverride(reader: WireReader, index: number): Override {
  let [requestsPerUnit, unit] = [0, 0]
  while (reader.next()) {
    if (reader.field === 1) requestsPerUnit = reader.uint32()
    else if (reader.field === 2) unit = reader.uint32()
    else reader.skip()
  }
  return { requestsPerUnit, unit: acceptUnit(`descriptors[${index}].limit.unit`, unitOfNumber(unit), unit) }
}

/** A `google.protobuf.UInt64Value`. */
function readWrapped(reader: WireReader): number {
  let value = 0
  while (reader.next()) {
    if (reader.field === 1) value = reader.uint64()
    else reader.skip()
  }
  return value
}
