import { describe, expect, it } from '@jest/globals'
import { commandId } from '../../../src/domain/command-id.ts'
import type { Command, Conditions } from '../../../src/domain/commands.ts'
import { type CommandDecision, decide, evolve, initialState } from '../../../src/domain/decider.ts'
import type { PolicyEvent } from '../../../src/domain/events.ts'
import type { PolicyDefinition } from '../../../src/domain/policy.ts'
import { definitionOf, limitOf } from '../../support/policies.ts'

const AT = '2025-10-09T08:00:00.000Z'
const key = 'user:*'
const id = commandId(key, '00000000-0000-4000-8000-000000000000')
const small = definitionOf({ limits: [limitOf({ capacity: 10 })] })
const large = definitionOf({ limits: [limitOf({ capacity: 1_000 })] })

const put = (policy: PolicyDefinition, conditions?: Conditions): Command => command({ type: 'put', policy }, conditions)
const remove = (conditions?: Conditions): Command => command({ type: 'delete' }, conditions)

function command(
  what: { type: 'put'; policy: PolicyDefinition } | { type: 'delete' },
  conditions?: Conditions,
): Command {
  return { id, key, actor: 'ops', ...what, ...(conditions !== undefined && { conditions }) }
}

/** Applies the commands of the history; `when` decides the next one. */
function given(...history: Command[]) {
  const events: PolicyEvent[] = []
  const decideNext = (next: Command, target?: PolicyDefinition | null) =>
    decide(events.reduce(evolve, initialState), next, AT, target)
  for (const earlier of history) {
    const decision = decideNext(earlier)
    if (decision.kind === 'changed') events.push(decision.event)
  }
  return { when: decideNext }
}

const changed = (type: PolicyEvent['type'], version: number, policy: PolicyDefinition | null) => ({
  kind: 'changed',
  event: { schema: 1, key, version, type, at: AT, actor: 'ops', commandId: id, policy },
})

function codeOf(decision: CommandDecision): string | undefined {
  return decision.kind === 'rejected' ? decision.rejection.code : undefined
}

describe('a policy that is put', () => {
  it('is created under a new key', () => {
    expect(given().when(put(small))).toEqual(changed('created', 1, small))
  })

  it('replaces the whole policy of a key', () => {
    expect(given(put(small)).when(put(large))).toEqual(changed('changed', 2, large))
  })

  it('makes no event when it changes nothing', () => {
    expect(given(put(small)).when(put(structuredClone(small)))).toEqual({ kind: 'unchanged' })
  })

  it('is created again after a deletion, with the next version', () => {
    expect(given(put(small), remove()).when(put(small))).toEqual(changed('created', 3, small))
  })

  it('has the reason of the change in its event', () => {
    expect(given().when({ ...put(small), reason: 'launch' })).toMatchObject({ event: { reason: 'launch' } })
  })
})

describe('a deletion', () => {
  it('leaves a version without a policy', () => {
    expect(given(put(small), put(large)).when(remove())).toEqual(changed('deleted', 3, null))
  })

  it.each([
    ['never existed', []],
    ['is already deleted', [put(small), remove()]],
  ])('is refused if the policy %s', (_, history) => {
    expect(given(...history).when(remove())).toEqual({
      kind: 'rejected',
      rejection: { code: 'policy-not-found', detail: 'the key "user:*" has no policy to delete' },
    })
  })
})

describe('a rollback', () => {
  const rollBack = (version: number, conditions?: Conditions): Command =>
    ({ id, key, actor: 'ops', type: 'rollback', version, ...(conditions && { conditions }) }) as const
  it('is a new version, equal to an earlier one', () => {
    expect(given(put(small), put(large)).when(rollBack(1), small)).toEqual(changed('rolled-back', 3, small))
  })

  it('restores a deleted policy', () => {
    expect(given(put(small), remove()).when(rollBack(1), small)).toEqual(changed('rolled-back', 3, small))
  })

  it('makes no event when it changes nothing', () => {
    expect(given(put(small)).when(rollBack(1), small)).toEqual({ kind: 'unchanged' })
  })

  it('needs a version that exists and has a policy', () => {
    const { when } = given(put(small), remove())
    expect(codeOf(when(rollBack(7), undefined))).toBe('version-not-found')
    expect(codeOf(when(rollBack(2), null))).toBe('version-is-deletion')
  })

  it('checks conditions first', () => {
    expect(codeOf(given(put(small)).when(rollBack(7, { ifMatch: [2] }), undefined))).toBe('version-conflict')
  })
})

describe('an imported line', () => {
  const imported = (policy: PolicyDefinition): Command => ({ ...put(policy), type: 'import' }) as Command

  it('replaces or creates a policy', () => {
    expect(given().when(imported(small))).toEqual(changed('imported', 1, small))
    expect(given(put(small)).when(imported(large))).toEqual(changed('imported', 2, large))
  })

  it('makes no event when it changes nothing', () => {
    expect(given(put(small)).when(imported(structuredClone(small)))).toEqual({ kind: 'unchanged' })
  })
})

describe('If-Match', () => {
  it.each([
    ['the version', { ifMatch: [2] }],
    ['a list with the version', { ifMatch: [1, 2, 7] }],
    ['*', { ifMatch: '*' }],
  ] satisfies [string, Conditions][])('lets %s pass', (_, conditions) => {
    expect(given(put(small), put(large)).when(put(small, conditions))).toEqual(changed('changed', 3, small))
    expect(given(put(small), put(large)).when(remove(conditions))).toEqual(changed('deleted', 3, null))
  })

  it('refuses other versions, and names the current and the requested ones', () => {
    expect(given(put(small), put(large)).when(put(small, { ifMatch: [1, 3] }))).toEqual({
      kind: 'rejected',
      rejection: { code: 'version-conflict', detail: 'the policy is at version 2; If-Match asks for "1", "3"' },
    })
  })

  it('refuses even a command that would change nothing', () => {
    expect(codeOf(given(put(small)).when(put(small, { ifMatch: [2] })))).toBe('version-conflict')
  })

  it.each([
    ['*', [], { ifMatch: '*' }],
    ['* after a deletion', [put(small), remove()], { ifMatch: '*' }],
    ['the version of the deletion', [put(small), remove()], { ifMatch: [2] }],
    ['version 0', [], { ifMatch: [0] }],
  ] satisfies [string, Command[], Conditions][])('refuses %s without a policy', (_, history, conditions) => {
    expect(codeOf(given(...history).when(put(large, conditions)))).toBe('version-conflict')
    expect(codeOf(given(...history).when(remove(conditions)))).toBe('version-conflict')
  })
})

describe('If-None-Match: *', () => {
  it.each([
    ['never existed', [], 1],
    ['was deleted', [put(small), remove()], 3],
  ])('lets a policy be created that %s', (_, history, version) => {
    const decision = given(...history).when(put(large, { ifNoneMatch: '*' }))
    expect(decision).toEqual(changed('created', version, large))
  })

  it('refuses if the key has a policy', () => {
    expect(given(put(small)).when(put(large, { ifNoneMatch: '*' }))).toEqual({
      kind: 'rejected',
      rejection: { code: 'version-conflict', detail: 'the policy is at version 1; If-None-Match: * asks for none' },
    })
  })
})
