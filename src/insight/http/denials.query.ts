import { createHash } from 'node:crypto'
import { type Static, Type } from '@sinclair/typebox'
import { normalizedTime } from '../../domain/expiry.ts'
import { keyFault, policyNameFault } from '../../domain/key.ts'
import { type Cursors, cursorsFor } from '../../http/cursors.ts'
import { cut } from '../../lib/cut.ts'
import { type FieldError, Problem, validationProblem } from '../../lib/errors.ts'
import type { DenialQuery } from '../denial-pages.ts'

const MAX_SHOWN_CHARACTERS = 100

const text = (description: string) => Type.Optional(Type.String({ description }))

export const DenialsQuery = Type.Object(
  {
    key: text('Only denials of this key.'),
    policy: text('Only denials by the policy with this config key, or `default`.'),
    from: text('Only denials from this time on (RFC 3339).'),
    to: text('Only denials up to this time (RFC 3339).'),
    limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'Denials per page.' }),
    cursor: text('The `nextCursor` of the previous page of the same request.'),
  },
  { additionalProperties: false },
)
type DenialsQuery = Static<typeof DenialsQuery>

/** Refuses what no denial can match. @throws {Problem} `key-invalid`, `validation-failed` or `cursor-invalid` */
export function readDenialsQuery(query: DenialsQuery): DenialQuery {
  const { key, policy, from, to, limit, cursor } = query
  refuseInvalidKey(key)
  const faults = [...policyFaults(policy), ...timeFaults('from', from), ...timeFaults('to', to)]
  const fromMs = msOf(from)
  const toMs = msOf(to)
  if (faults.length === 0 && fromMs !== undefined && toMs !== undefined && toMs < fromMs)
    faults.push(...emptyRange(from, to))
  if (faults.length > 0) throw validationProblem(faults)
  const before = cursor === undefined ? undefined : placeCursor(query).decode(cursor)
  return { key, policy, fromMs, toMs, before, limit }
}

/** Cursors that continue the list of denials with these filters before a place. */
export function placeCursor({ key, policy, from, to }: DenialsQuery): Cursors<string> {
  const filters = createHash('sha256')
    .update(JSON.stringify([key, policy, from, to]))
    .digest('base64url')
    .slice(0, 12)
  return cursorsFor('for denials with these filters', {
    write: place => `d${place} ${filters}`,
    read: text => {
      const [, place, of] = /^d([0-9]{1,15}-[0-9]{1,15}) (.*)$/.exec(text) ?? []
      return of === filters ? place : undefined
    },
  })
}

function refuseInvalidKey(key: string | undefined): void {
  const message = key === undefined ? undefined : keyFault(key)
  if (message !== undefined)
    throw new Problem('key-invalid', message, { members: { errors: [{ path: '/query/key', message }] } })
}

function policyFaults(policy: string | undefined): FieldError[] {
  const message = policy === undefined ? undefined : policyNameFault(policy)
  return message === undefined ? [] : [{ path: '/query/policy', message }]
}

function timeFaults(name: 'from' | 'to', time: string | undefined): FieldError[] {
  if (time === undefined || normalizedTime(time) !== undefined) return []
  const given = JSON.stringify(cut(time, MAX_SHOWN_CHARACTERS))
  return [
    {
      path: `/query/${name}`,
      message: `must be an RFC 3339 time with an offset, such as 2026-12-01T18:00:00Z; was ${given}`,
    },
  ]
}

function emptyRange(from: string | undefined, to: string | undefined): readonly FieldError[] {
  return [
    { path: '/query/from', message: `must not be after "to", ${to}; was ${from}` },
    { path: '/query/to', message: `must not be before "from", ${from}; was ${to}` },
  ]
}

function msOf(time: string | undefined): number | undefined {
  const normalized = time === undefined ? undefined : normalizedTime(time)
  return normalized === undefined ? undefined : Date.parse(normalized)
}
