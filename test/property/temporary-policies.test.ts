import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { commandId } from '../../src/domain/command-id.ts'
import type { Command } from '../../src/domain/commands.ts'
import { type CommandDecision, decide, evolve, initialState, stateAt } from '../../src/domain/decider.ts'
import type { PolicyEvent } from '../../src/domain/events.ts'
import { recordAt, recordOf } from '../../src/domain/policy-record.ts'
import type { RequestedPolicy, StoredPolicy } from '../../src/domain/temporary-policy.ts'
import { definitionOf } from '../support/policies.ts'
import { PROPERTY_TIMEOUT_MS, runs } from '../support/property-runs.ts'

const KEY = 'user:42'
const ID = commandId(KEY, '00000000-0000-4000-8000-000000000000')
const START_MS = Date.parse('2026-01-31T12:00:00.000Z')

/** A policy is only its name here. */
type Name = string
const definition = (name: Name) => definitionOf({ description: name })

interface Line {
  readonly name: Name
  /** From the moment of the change, in ms. */
  readonly endsIn: number | undefined
  readonly then: Name | null | undefined
}
type Step =
  | ({ readonly type: 'put' | 'import' } & Line)
  | { readonly type: 'delete' | 'expire' | 'prune' }
  | { readonly type: 'rollback'; readonly version: number }

const name = fc.constantFrom('a', 'b', 'c')
const line = {
  name,
  endsIn: fc.option(fc.integer({ min: -2, max: 6 }), { nil: undefined, freq: 2 }),
  then: fc.option(fc.option(name), { nil: undefined }),
}
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constantFrom('put' as const, 'import' as const), ...line }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constantFrom('delete' as const, 'expire' as const, 'prune' as const) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('rollback' as const), version: fc.integer({ min: 1, max: 8 }) }),
  },
)
/** Steps, each with the ms since the one before. */
const history = fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), step), { maxLength: 14 })

describe('temporary policies', () => {
  it(
    'mean what an oracle with every version in a list expects',
    () => fc.assert(fc.property(history, meansWhatOracleExpects), runs(1_000, 100_000)),
    PROPERTY_TIMEOUT_MS,
  )
})

function meansWhatOracleExpects(steps: readonly (readonly [number, Step])[]): void {
  const oracle = new Oracle()
  const events: PolicyEvent[] = []
  let nowMs = START_MS
  for (const [elapsedMs, what] of steps) {
    nowMs += elapsedMs
    expect(presentOf(events, nowMs)).toEqual(oracle.present(nowMs))
    const decision = decideNext(events, what, nowMs)
    expect(resultOf(decision)).toEqual(oracle.apply(what, nowMs))
    if (decision.kind === 'changed') events.push(decision.event)
    expect(presentOf(events, nowMs)).toEqual(oracle.present(nowMs))
  }
}

function decideNext(events: readonly PolicyEvent[], what: Step, nowMs: number): CommandDecision {
  const state = events.reduce(evolve, initialState)
  const target = what.type === 'rollback' ? events.find(({ version }) => version === what.version)?.policy : undefined
  return decide(state, commandOf(what, state.version, nowMs), new Date(nowMs).toISOString(), target)
}

function commandOf(what: Step, version: number, nowMs: number): Command {
  const common = { id: ID, key: KEY, actor: 'ops' }
  switch (what.type) {
    case 'put':
      return { ...common, type: 'put', policy: requested(what, nowMs) }
    case 'import':
      return { ...common, id: 'import-1', type: 'import', policy: requested(what, nowMs) } as unknown as Command
    case 'prune':
      return { ...common, id: 'import-1', type: 'prune' } as unknown as Command
    case 'delete':
      return { ...common, type: 'delete' }
    case 'expire':
      return { ...common, type: 'expire', version }
    case 'rollback':
      return { ...common, type: 'rollback', version: what.version }
  }
}

function requested({ name, endsIn, then }: Line, nowMs: number): RequestedPolicy {
  if (endsIn === undefined) return definition(name)
  const expiresAt = new Date(nowMs + endsIn).toISOString()
  return {
    ...definition(name),
    expiresAt,
    ...(then !== undefined && { then: then === null ? null : definition(then) }),
  }
}

/** By the state and by the record, which must agree. */
function presentOf(events: readonly PolicyEvent[], nowMs: number) {
  const { version, policy } = stateAt(events.reduce(evolve, initialState), nowMs)
  const last = events.at(-1)
  const stored = last && recordOf(last)
  const record = stored && recordAt(stored, nowMs)
  expect(record?.policy ?? null).toEqual(policy)
  return { version, policy: policy && described(policy) }
}

function described(policy: StoredPolicy) {
  const { description, expiresAt, then } = policy as RequestedPolicy
  return expiresAt === undefined
    ? { name: description, endMs: undefined, then: null }
    : { name: description, endMs: Date.parse(expiresAt), then: then?.description ?? null }
}

function resultOf(decision: CommandDecision) {
  if (decision.kind === 'rejected') return decision.rejection.code
  return decision.kind === 'unchanged' && decision.isIgnored ? 'ignored' : decision.kind
}

interface Meaning {
  readonly name: Name
  readonly endMs: number | undefined
  readonly then: Name | null
}
interface Version {
  readonly sinceMs: number
  /** `null` for a deletion. */
  readonly meaning: Meaning | null
  /** Set if an import gave the key this lasting policy beneath a temporary one, or none. */
  readonly beneath?: Name | null
}

/** Keeps every version, and walks through all of them for each question. */
class Oracle {
  readonly #versions: Version[] = []

  present(nowMs: number) {
    return { version: this.#versions.length, policy: this.#at(nowMs) }
  }

  #at(nowMs: number): Meaning | null {
    const meaning = this.#versions.at(-1)?.meaning ?? null
    if (meaning === null || meaning.endMs === undefined || nowMs < meaning.endMs) return meaning
    return meaning.then === null ? null : { name: meaning.then, endMs: undefined, then: null }
  }

  /** What the key last had without an end. */
  #lasting(nowMs: number): Name | null {
    for (let i = this.#versions.length - 1; i >= 0; i--) {
      const { meaning, beneath } = this.#versions[i] as Version
      const untilMs = this.#versions[i + 1]?.sinceMs ?? nowMs
      if (meaning === null) return null
      if (meaning.endMs === undefined) return meaning.name
      if (meaning.endMs <= untilMs) return meaning.then
      if (beneath !== undefined) return beneath
    }
    return null
  }

  apply(what: Step, nowMs: number): string {
    const present = this.#at(nowMs)
    switch (what.type) {
      case 'put':
      case 'import': {
        const then = what.then === undefined ? this.#lasting(nowMs) : what.then
        const endMs = what.endsIn === undefined ? undefined : nowMs + what.endsIn
        const asked = { name: what.name, endMs, then: endMs === undefined ? null : then }
        const isPassed = endMs !== undefined && endMs <= nowMs
        if (what.type === 'put') return isPassed ? 'validation-failed' : this.#change(asked, nowMs)
        if (isPassed && then === null) return 'ignored'
        return this.#import(isPassed ? { name: then as Name, endMs: undefined, then: null } : asked, nowMs)
      }
      case 'rollback': {
        const target = this.#versions[what.version - 1]
        if (target === undefined) return 'version-not-found'
        if (target.meaning === null) return 'version-is-deletion'
        if (target.meaning.endMs !== undefined && target.meaning.endMs <= nowMs) return 'validation-failed'
        return this.#change(target.meaning, nowMs)
      }
      case 'delete':
        return present === null ? 'policy-not-found' : this.#append(null, nowMs)
      case 'prune':
        return this.#prune(nowMs)
      case 'expire':
        return this.#expire(nowMs)
    }
  }

  #import(meaning: Meaning, nowMs: number): string {
    const present = this.#at(nowMs)
    if (meaning.endMs !== undefined || present?.endMs === undefined) return this.#change(meaning, nowMs)
    return this.#change({ ...present, then: meaning.name }, nowMs, meaning.name)
  }

  #prune(nowMs: number): string {
    const present = this.#at(nowMs)
    if (present === null || (present.endMs !== undefined && present.then === null)) return 'ignored'
    if (present.endMs === undefined) return this.#append(null, nowMs)
    return this.#append({ ...present, then: null }, nowMs, null)
  }

  /** Does what a worker does: it only records what has ended. */
  #expire(nowMs: number): string {
    const last = this.#versions.at(-1)?.meaning
    if (last?.endMs === undefined) return 'version-conflict'
    return this.#append(last.then === null ? null : { name: last.then, endMs: undefined, then: null }, nowMs)
  }

  #change(meaning: Meaning, nowMs: number, beneath?: Name): string {
    if (JSON.stringify(this.#at(nowMs)) === JSON.stringify(meaning)) return 'unchanged'
    return this.#append(meaning, nowMs, beneath)
  }

  #append(meaning: Meaning | null, nowMs: number, beneath?: Name | null): string {
    this.#versions.push({ sinceMs: nowMs, meaning, ...(beneath !== undefined && { beneath }) })
    return 'changed'
  }
}
