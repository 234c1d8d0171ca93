import { type TSchema, Type } from '@sinclair/typebox'
import { OVERRIDE_UNITS, UNITS } from '../envoy/units.ts'

const UINT32 = { minimum: 0, maximum: 2 ** 32 - 1 }

function named(text: string) {
  return Type.String({ description: text })
}

function optional<Schema extends TSchema>(schema: Schema) {
  return Type.Optional(schema)
}

const Entry = Type.Object({
  key: optional(named('Key of the entry.')),
  value: optional(named('Value of the entry.')),
})

const Override = Type.Object(
  {
    requestsPerUnit: optional(Type.Integer({ ...UINT32, description: 'Requests in each unit. 0 allows none.' })),
    unit: Type.Unsafe({ type: 'string', enum: OVERRIDE_UNITS, description: 'Unit of the limit.' }),
  },
  { description: 'Replaces the limits of the policy.' },
)

const Descriptor = Type.Object({
  entries: optional(Type.Array(Entry, { description: 'The entries, in order.' })),
  limit: optional(Override),
  hitsAddend: optional(Type.Integer({ minimum: 0, description: 'Hits of this descriptor. 0 only reads.' })),
  isNegativeHits: optional(Type.Boolean({ description: 'Whether the hits are given back.' })),
})

export const RateLimitRequestJson = Type.Object(
  {
    domain: named('The domain, such as that of the filter in Envoy.'),
    descriptors: Type.Array(Descriptor, { minItems: 1, maxItems: 1000, description: 'The descriptors.' }),
    hitsAddend: optional(Type.Integer({ ...UINT32, description: 'Hits of each descriptor. 0 counts as 1.' })),
  },
  {
    title: 'RateLimitRequest',
    description: 'A request of Envoy in the JSON of protobuf. Members can also be written in snake_case.',
    examples: [{ domain: 'edge', descriptors: [{ entries: [{ key: 'remote_address', value: '203.0.113.7' }] }] }],
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
