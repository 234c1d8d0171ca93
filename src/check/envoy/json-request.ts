import { type DescriptorPart, encodedText } from '../../domain/descriptors/descriptor-text.ts'
import { isObject } from '../../lib/is-object.ts'
import {
  type AskedDescriptor,
  acceptUnit,
  invalid,
  type Override,
  type RateLimitRequest,
  RequestBounds,
  unitOfNumber,
} from './rate-limit-request.ts'
import { UNITS, type Unit } from './units.ts'

const MAX_UINT32 = 2n ** 32n - 1n
const MAX_UINT64 = 2n ** 64n - 1n

/** With no more digits than `MAX_UINT64` has, apart from leading zeros. */
const DIGITS = /^0*[0-9]{1,20}$/

/**
 * Reads a request in the JSON of protobuf: members in camelCase or as in the `.proto`, numbers also as text, enums also as numbers,
 * and `null` as absent.
 * @see https://protobuf.dev/programming-guides/json/
 * @throws {Problem} `validation-failed`
 */
export function readJsonRequest(body: unknown): RateLimitRequest {
  const bounds = new RequestBounds()
  const { domain, descriptors, hitsAddend } = members(body, '', ['domain', 'descriptors', 'hitsAddend'])
  return {
    domain: text('domain', 'domain', domain),
    descriptors: items('descriptors', descriptors).map((item, i) => readDescriptor(item, `descriptors[${i}]`, bounds)),
    hitsAddend: integer('hitsAddend', hitsAddend, MAX_UINT32) ?? 0,
  }
}

function readDescriptor(value: unknown, path: string, bounds: RequestBounds): AskedDescriptor {
  bounds.countDescriptor()
  const names = ['entries', 'limit', 'hitsAddend', 'isNegativeHits'] as const
  const { entries, limit, hitsAddend, isNegativeHits } = members(value, path, names)
  return {
    entries: items(`${path}.entries`, entries).map((entry, i) => {
      bounds.countEntry()
      return readEntry(entry, `${path}.entries[${i}]`)
    }),
    override: limit === undefined ? undefined : readOverride(limit, `${path}.limit`),
    hits: integer(`${path}.hitsAddend`, hitsAddend, MAX_UINT64),
    isNegativeHits: boolean(`${path}.isNegativeHits`, isNegativeHits),
  }
}

function readEntry(json: unknown, path: string) {
  const { key, value } = members(json, path, ['key', 'value'])
  return { key: text(`${path}.key`, 'key', key), value: text(`${path}.value`, 'value', value) }
}

function readOverride(value: unknown, path: string): Override {
  const { requestsPerUnit, unit } = members(value, path, ['requestsPerUnit', 'unit'])
  return {
    requestsPerUnit: integer(`${path}.requestsPerUnit`, requestsPerUnit, MAX_UINT32) ?? 0,
    unit: acceptUnit(`${path}.unit`, unitIn(unit), unit),
  }
}

function unitIn(value: unknown): Unit | undefined {
  if (typeof value === 'number') return unitOfNumber(value)
  return typeof value === 'string' && Object.hasOwn(UNITS, value) ? (value as Unit) : undefined
}

/** The members of an object that may have these, in either spelling. */
function members<Name extends string>(
  value: unknown,
  path: string,
  names: readonly Name[],
): Partial<Record<Name, unknown>> {
  if (!isObject(value) || Array.isArray(value)) throw invalid(path, 'must be an object')
  const found: Partial<Record<Name, unknown>> = {}
  for (const [given, member] of Object.entries(value)) {
    const name = names.find(known => given === known || given === snakeCase(known))
    const at = path === '' ? given : `${path}.${given}`
    if (name === undefined) throw invalid(at, `is not a member; members are ${names.join(', ')}`)
    if (found[name] !== undefined) throw invalid(at, 'is given twice')
    if (member !== null) found[name] = member
  }
  return found
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}

function items(path: string, value: unknown = []): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw invalid(path, 'must be an array')
}

function text(path: string, part: DescriptorPart, value: unknown = ''): string {
  if (typeof value === 'string' && value.isWellFormed()) return encodedText(part, value)
  throw invalid(path, 'must be a string of valid Unicode')
}

function integer(path: string, value: unknown, max: bigint): number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string' && DIGITS.test(value) && BigInt(value) <= max) return Number(value)
  // A larger number may have been rounded when the JSON was parsed.
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= max) return value
  const asText = max > Number.MAX_SAFE_INTEGER ? `, as text above ${Number.MAX_SAFE_INTEGER}` : ''
  throw invalid(path, `must be an integer between 0 and ${max}${asText}; was ${JSON.stringify(value)}`)
}

function boolean(path: string, value: unknown = false): boolean {
  if (typeof value === 'boolean') return value
  throw invalid(path, 'must be true or false')
}
