import { type TSchema, Type } from '@sinclair/typebox'
import { OVERRIDE_UNITS, UNITS } from '../envoy/units.ts'

const UINT32 = { minimum: 0, maximum: 2 ** 32 - 1 }

function named(text: string) {
  return Type.String({ description: text })
}

function optional<Schema extends TSchema>(schema: Schema) {
  return Type.Optional(schema)
}

/** A member of a request, which is absent if it is `null`. */
function orNull(description: string, ...schemas: readonly TSchema[]) {
  return Type.Optional(Type.Union([...schemas, Type.Null()], { description }))
}

/** A number of a request, which can also be text. @param digits all texts with so many are in the range */
function count(description: string, maximum: number, digits: number) {
  return orNull(description, Type.Integer({ minimum: 0, maximum }), Type.String({ pattern: `^[0-9]{1,${digits}}$` }))
}

function uint32(description: string) {
  return count(description, UINT32.maximum, 9)
}

function uint64(description: string) {
  return count(description, Number.MAX_SAFE_INTEGER, 19)
}

const Entry = Type.Object({
  key: orNull('Key of the entry.', Type.String()),
  value: orNull('Value of the entry.', Type.String()),
})

const Override = Type.Object({
  requestsPerUnit: uint32('Requests in each unit. 0 allows none.'),
  unit: Type.Unsafe({ type: 'string', enum: OVERRIDE_UNITS, description: 'Unit of the limit.' }),
})

const Descriptor = Type.Object({
  entries: orNull('The entries, in order.', Type.Array(Entry)),
  limit: orNull('Replaces the limits of the policy.', Override),
  hitsAddend: uint64(`Hits of this descriptor. 0 only reads. Above ${Number.MAX_SAFE_INTEGER}, they must be text.`),
  isNegativeHits: orNull('Whether the hits are given back.', Type.Boolean()),
})

export const RateLimitRequestJson = Type.Object(
  {
    domain: Type.String({ minLength: 1, description: 'The domain, such as that of the filter in Envoy.' }),
    descriptors: Type.Array(Descriptor, { minItems: 1, maxItems: 1000, description: 'The descriptors.' }),
    hitsAddend: uint32('Hits of each descriptor. 0 counts as 1.'),
  },
  {
    title: 'RateLimitRequest',
    description: 'A request of Envoy in the JSON of protobuf. Members can also be written in snake_case.',
    examples: [
      { domain: 'edge', descriptors: [{ entries: [{ key: 'masked_remote_address', value: '203.0.113.7/32' }] }] },
    ],
  },
)

const CurrentLimit = Type.Object(
  {
    name: named('Name of the limit.'),
    requestsPerUnit: Type.Integer({ description: 'Its capacity.' }),
    unit: optional(
      Type.Unsafe({ type: 'string', enum: Object.keys(UNITS), description: 'Absent if no unit is as long.' }),
    ),
  },
  { description: 'The binding limit. Absent if there is none.' },
)

const Code = Type.Unsafe({ type: 'string', enum: ['OK', 'OVER_LIMIT'], description: 'Whether the request may pass.' })

const Status = Type.Object({
  code: optional(Code),
  currentLimit: optional(CurrentLimit),
  limitRemaining: optional(Type.Integer({ ...UINT32, description: 'Requests that are left. Absent for 0.' })),
  durationUntilReset: optional(named('Time until the limit is full, such as `12s`.')),
})

const Header = Type.Object({ key: named('Name of the field.'), value: named('Its value.') })

export const RateLimitResponseJson = Type.Object(
  {
    overallCode: Code,
    statuses: Type.Array(Status, { description: 'In the order of the descriptors.' }),
    responseHeadersToAdd: optional(Type.Array(Header, { description: 'Fields for the response to the client.' })),
  },
  {
    title: 'RateLimitResponse',
    description: "The answer of Envoy's rate limit service in the JSON of protobuf.",
    examples: [
      {
        overallCode: 'OK',
        statuses: [
          {
            code: 'OK',
            currentLimit: { name: 'default', requestsPerUnit: 100, unit: 'MINUTE' },
            limitRemaining: 99,
            durationUntilReset: '12s',
          },
        ],
        responseHeadersToAdd: [{ key: 'ratelimit', value: '"default";r=99;t=12' }],
      },
    ],
  },
)
