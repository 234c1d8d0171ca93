import { describe, expect, it } from '@jest/globals'
import { commandId } from '../../../src/domain/command-id.ts'
import type { Command, PolicyTag } from '../../../src/domain/commands.ts'
import { type CommandDecision, decide, evolve, initialState, stateAt } from '../../../src/domain/decider.ts'
import type { PolicyEvent } from '../../../src/domain/events.ts'
import { expiryFault, normalizedTime } from '../../../src/domain/expiry.ts'
import { effectOf } from '../../../src/domain/outcome.ts'
import type { PolicyDefinition } from '../../../src/domain/policy.ts'
import { enforcedAt, type RequestedPolicy, type StoredPolicy } from '../../../src/domain/temporary-policy.ts'
import { definitionOf, limitOf } from '../../support/policies.ts'

const key = 'user:*'
const id = commandId(key, '00000000-0000-4000-8000-000000000000')
const common = { id, key, actor: 'ops' }

const small = definitionOf({ limits: [limitOf({ capacity: 10 })] })
const large = definitionOf({ limits: [limitOf({ capacity: 1_000 })] })
const huge = definitionOf({ limits: [limitOf({ capacity: 100_000 })] })

const [T0, T1, END, T2] = ['08:00', '08:30', '09:00', '10:00'].map(time => `2026-01-31T${time}:00.000Z`) as [
  string,
  string,
  string,
  string,
]
const raised = { ...large, expiresAt: END }

const put = (policy: RequestedPolicy): Command => ({ ...common, type: 'put', policy })
const importOf = (policy: RequestedPolicy): Command =>
  ({ ...common, id: 'import-1', type: 'import', policy }) as unknown as Command
const prune = { ...common, id: 'import-1', type: 'prune' } as unknown as Command
const remove: Command = { ...common, type: 'delete' }
const expire = (version: number): Command => ({ ...common, actor: 'throttler', type: 'expire', version })
const ifMatch = (command: Command, ...tags: PolicyTag[]): Command => ({ ...command, conditions: { ifMatch: tags } })

/** The history of a key whose commands were applied at these times. */
function given(...history: readonly [at: string, command: Command][]) {
  const events: PolicyEvent[] = []
  const state = () => events.reduce(evolve, initialState)
  const when = (at: string, command: Command, target?: StoredPolicy | null) => decide(state(), command, at, target)
  for (const [at, command] of history) {
    const decision = when(at, command)
    if (decision.kind !== 'changed') throw new Error(`nothing was changed: ${JSON.stringify(decision)}`)
    events.push(decision.event)
  }
  return { when, state, events, presentAt: (at: string) => stateAt(state(), Date.parse(at)) }
}

function eventOf(decision: CommandDecision): PolicyEvent {
  if (decision.kind !== 'changed') throw new Error(`nothing was changed: ${JSON.stringify(decision)}`)
  return decision.event
}

const codeOf = (decision: CommandDecision) => (decision.kind === 'rejected' ? decision.rejection.code : decision.kind)
const followingOf = (decision: CommandDecision) => (eventOf(decision).policy as { then?: unknown }).then

describe('the time of an end', () => {
  it.each([
    ['2026-12-01T18:00:00Z', '2026-12-01T18:00:00.000Z'],
    ['2026-12-01T18:00:00+01:30', '2026-12-01T16:30:00.000Z'],
    ['2026-12-01t18:00:00.123456z', '2026-12-01T18:00:00.123Z'],
    ['2028-02-29T00:00:00-00:00', '2028-02-29T00:00:00.000Z'],
  ])('%s is stored in UTC', (text, stored) => expect(normalizedTime(text)).toBe(stored))

  it.each([
    '2026-12-01',
    '2026-12-01T18:00:00',
    '2026-12-01 18:00:00Z',
    '2026-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-12-01T24:00:00Z',
    '2026-12-01T18:00:60Z',
    '2026-12-01T18:00:00+24:00',
    'tomorrow',
    '',
  ])('%j is refused', text => expect(normalizedTime(text)).toBeUndefined())

  it('lies in the future, at most 366 days away', () => {
    const nowMs = Date.parse('2026-01-31T00:00:00.000Z')
    expect(expiryFault('2026-01-31T00:00:00.001Z', nowMs)).toBeUndefined()
    expect(expiryFault('2027-02-01T00:00:00.000Z', nowMs)).toBeUndefined()
    expect(expiryFault('2026-01-31T00:00:00.000Z', nowMs)).toBe(
      'must be in the future; was 2026-01-31T00:00:00.000Z, and it is 2026-01-31T00:00:00.000Z',
    )
    expect(expiryFault('2027-02-01T00:00:00.001Z', nowMs)).toBe(
      'must be at most 366 days away, up to 2027-02-01T00:00:00.000Z; was 2027-02-01T00:00:00.001Z',
    )
  })
})

describe('a temporary policy', () => {
  it('is in force until its end, and then what follows it', () => {
    const policy = { ...raised, then: small }
    expect(enforcedAt(policy, Date.parse(END) - 1)).toEqual(large)
    expect(enforcedAt(policy, Date.parse(END))).toEqual(small)
    expect(enforcedAt({ ...raised, then: null }, Date.parse(END))).toBeNull()
  })

  it('is followed by what the key had before, in an event that release 0.1.0 refuses', () => {
    const event = eventOf(given([T0, put(small)]).when(T1, put(raised)))
    expect(event).toEqual({
      schema: 2,
      ...{ key, version: 2, type: 'changed', at: T1, actor: 'ops', commandId: id },
      policy: { ...raised, then: small },
    })
  })

  it('is followed by nothing under a new key, and after a deletion', () => {
    expect(followingOf(given().when(T0, put(raised)))).toBeNull()
    expect(followingOf(given([T0, put(small)], [T0, remove]).when(T1, put(raised)))).toBeNull()
  })

  it('is followed by what the request says', () => {
    expect(followingOf(given([T0, put(small)]).when(T1, put({ ...raised, then: huge })))).toEqual(huge)
    expect(followingOf(given([T0, put(small)]).when(T1, put({ ...raised, then: null })))).toBeNull()
  })

  it('is followed by the last lasting policy, also if it replaces a temporary one', () => {
    const other = { ...huge, expiresAt: END }
    expect(followingOf(given([T0, put(small)], [T0, put(raised)]).when(T1, put(other)))).toEqual(small)
    const elsewhere = given([T0, put(small)], [T0, put({ ...raised, then: huge })])
    expect(followingOf(elsewhere.when(T1, put(other)))).toEqual(small)
    expect(followingOf(elsewhere.when(T2, put({ ...other, expiresAt: '2026-02-01T00:00:00.000Z' })))).toEqual(huge)
  })

  it('makes no event when it changes nothing', () => {
    const { when } = given([T0, put(small)], [T0, put(raised)])
    expect(when(T1, put(raised))).toEqual({ kind: 'unchanged' })
    expect(when(T1, put({ ...raised, then: huge })).kind).toBe('changed')
    expect(when(T1, put(large)).kind).toBe('changed')
    expect(when(T1, put({ ...raised, expiresAt: T2 })).kind).toBe('changed')
  })

  it('is rejected when its end has passed', () => {
    const decision = given([T0, put(small)]).when(END, put(raised))
    expect(decision).toEqual({
      kind: 'rejected',
      rejection: {
        code: 'validation-failed',
        detail: `/expiresAt: must be in the future; was ${END}, and it is ${END}`,
        errors: [{ path: '/expiresAt', message: `must be in the future; was ${END}, and it is ${END}` }],
      },
    })
  })

  it('can be deleted, rolled back to with what follows it, and replaced', () => {
    const { when, events } = given([T0, put(small)], [T0, put(raised)], [T0, put(huge)])
    expect(eventOf(given([T0, put(small)], [T0, put(raised)]).when(T1, remove)).policy).toBeNull()
    const rollback: Command = { ...common, type: 'rollback', version: 2 }
    const event = eventOf(when(T1, rollback, events[1]?.policy))
    expect(event).toMatchObject({ schema: 2, type: 'rolled-back', policy: { ...raised, then: small }, lasting: huge })
    expect(codeOf(when(T2, rollback, events[1]?.policy))).toBe('validation-failed')
  })
})

describe('from its end on, a key', () => {
  const key = given([T0, put(small)], [T0, put(raised)])
  const gone = given([T0, put(raised)])

  it('has what follows, at the same version', () => {
    expect(key.presentAt(T1)).toMatchObject({ version: 2, policy: { ...raised, then: small }, isEnded: false })
    expect(key.presentAt(END)).toEqual({ version: 2, policy: small, isEnded: true })
    expect(gone.presentAt(END)).toEqual({ version: 1, policy: null, isEnded: true })
  })

  it('changes nothing by a PUT of what follows', () => {
    expect(key.when(END, put(small))).toEqual({ kind: 'unchanged' })
    expect(key.when(T1, put(small)).kind).toBe('changed')
  })

  it('has a tag of its own, also once the end is recorded', () => {
    const tried = (at: string, ...tags: PolicyTag[]) => codeOf(key.when(at, ifMatch(put(huge), ...tags)))
    expect(tried(T1, 2)).toBe('changed')
    expect(tried(T1, '2-ended')).toBe('version-conflict')
    expect(tried(END, 2)).toBe('version-conflict')
    expect(tried(END, 7, '2-ended')).toBe('changed')
    const recorded = given([T0, put(small)], [T0, put(raised)], [T2, expire(2)])
    expect(codeOf(recorded.when(T2, ifMatch(put(huge), '2-ended')))).toBe('changed')
    expect(codeOf(recorded.when(T2, ifMatch(put(huge), 3)))).toBe('changed')
    expect(codeOf(recorded.when(T2, ifMatch(put(huge), 2, '3-ended')))).toBe('version-conflict')
  })

  it('has no policy if none follows', () => {
    expect(codeOf(gone.when(END, remove))).toBe('policy-not-found')
    expect(gone.when(END, ifMatch(put(small), '1-ended'))).toMatchObject({
      rejection: { detail: 'the key has no policy; If-Match asks for one' },
    })
    const created = eventOf(gone.when(END, { ...put(small), conditions: { ifNoneMatch: '*' } }))
    expect(created).toMatchObject({ type: 'created', version: 2, schema: 1 })
    expect(effectOf(gone.state(), created)).toBe('created')
    expect(effectOf(gone.state(), { ...created, at: T1 })).toBe('changed')
  })
})

describe('the recorded end', () => {
  it('is a version of schema 2 by the service', () => {
    const { when, state } = given([T0, put(small)], [T0, put(raised)])
    const event = eventOf(when(T2, expire(2)))
    expect(event).toMatchObject({ schema: 2, version: 3, type: 'expired', at: T2, actor: 'throttler', policy: small })
    expect(evolve(state(), event)).toEqual({ version: 3, policy: small, isRecordedEnd: true })
  })

  it('may be that of a policy that nothing follows', () => {
    const { when, state } = given([T0, put(raised)])
    const event = eventOf(when(T2, expire(1)))
    expect(event).toMatchObject({ version: 2, type: 'expired', policy: null })
    expect(evolve(state(), event)).toEqual({ version: 2, policy: null })
    expect(effectOf(state(), event)).toBe('deleted')
  })

  it('is rejected if something else has changed the key', () => {
    const { when } = given([T0, put(small)], [T0, put(raised)], [T0, put(huge)])
    expect(codeOf(when(T2, expire(2)))).toBe('version-conflict')
    expect(codeOf(when(T2, expire(3)))).toBe('version-conflict')
  })

  it('does not depend on the clock of the worker that records it', () => {
    expect(given([T0, put(raised)]).when(T1, expire(1)).kind).toBe('changed')
  })
})

describe('an imported line', () => {
  const overridden = given([T0, put(small)], [T0, put(raised)])

  it('without an end changes only what follows the temporary policy in force', () => {
    const event = eventOf(overridden.when(T1, importOf(huge)))
    expect(event).toMatchObject({ type: 'imported', policy: { ...raised, then: huge } })
    expect(event).not.toHaveProperty('lasting')
    expect(overridden.when(T1, importOf(small))).toEqual({ kind: 'unchanged' })
  })

  it('without an end replaces a policy that has ended', () => {
    expect(eventOf(overridden.when(END, importOf(huge)))).toMatchObject({ schema: 1, policy: huge })
    expect(overridden.when(END, importOf(small))).toEqual({ kind: 'unchanged' })
  })

  it('with an end replaces the policy', () => {
    const other: PolicyDefinition & RequestedPolicy = { ...huge, expiresAt: T2 }
    expect(eventOf(overridden.when(T1, importOf(other))).policy).toEqual({ ...other, then: small })
  })

  it('with an end that has passed counts as what follows it', () => {
    const line = { ...raised, then: huge }
    expect(eventOf(given([T0, put(small)]).when(END, importOf(line))).policy).toEqual(huge)
    expect(given([T0, put(huge)]).when(END, importOf(line))).toEqual({ kind: 'unchanged' })
  })

  it('with an end that has passed and nothing that follows counts as if it were not in the file', () => {
    const ignored = { kind: 'unchanged', isIgnored: true }
    expect(given([T0, put(small)]).when(END, importOf({ ...raised, then: null }))).toEqual(ignored)
    expect(given().when(END, importOf(raised))).toEqual(ignored)
  })
})

describe('a key that is pruned', () => {
  it('loses its lasting policy by a deletion', () => {
    const event = eventOf(given([T0, put(small)]).when(T1, prune))
    expect(event).toMatchObject({ schema: 1, version: 2, type: 'deleted', policy: null, commandId: 'import-1' })
  })

  it('keeps a temporary policy in force until its end, and then has none', () => {
    const overridden = given([T0, put(small)], [T0, put(raised)])
    const event = eventOf(overridden.when(T1, prune))
    expect(event).toMatchObject({ type: 'imported', policy: { ...raised, then: null } })
    expect(event).not.toHaveProperty('lasting')
    expect(given([T0, put(small)], [T0, put(raised)], [T1, prune]).presentAt(END).policy).toBeNull()
  })

  it('loses what follows a temporary policy that has ended', () => {
    const overridden = given([T0, put(small)], [T0, put(raised)])
    expect(eventOf(overridden.when(END, prune))).toMatchObject({ type: 'deleted', version: 3 })
  })

  it('is left alone if nothing is to be deleted', () => {
    const ignored = { kind: 'unchanged', isIgnored: true }
    const ending = given([T0, put({ ...raised, then: null })])
    expect([given().when(T0, prune), ending.when(T1, prune), ending.when(END, prune)]).toEqual([
      ignored,
      ignored,
      ignored,
    ])
  })
})
