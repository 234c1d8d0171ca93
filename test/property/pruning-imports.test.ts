import { randomUUID } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { CommandApplier } from '../../src/config-change/apply/command-applier.ts'
import { ImportApplier } from '../../src/config-change/apply/import-applier.ts'
import { dryRunImport } from '../../src/config-change/import/dry-run-import.ts'
import { stageImport } from '../../src/config-change/import/stage-import.ts'
import type { AppendResult, ImportStep } from '../../src/config-change/ports.ts'
import { commandId, importId, partIds } from '../../src/domain/command-id.ts'
import type { ImportPart } from '../../src/domain/commands.ts'
import { sumOfCounts } from '../../src/domain/outcome.ts'
import type { RequestedPolicy } from '../../src/domain/temporary-policy.ts'
import { InMemoryCommandQueue } from '../support/in-memory/command-queue.ts'
import { InMemoryImportStaging } from '../support/in-memory/import-staging.ts'
import { InMemoryPolicyStore } from '../support/in-memory/policy-store.ts'
import { definitionOf } from '../support/policies.ts'
import { PROPERTY_TIMEOUT_MS, runs } from '../support/property-runs.ts'

const NOW = new Date('2026-01-31T12:00:00.000Z')
const LATER = '2026-01-31T13:00:00.000Z'
const PASSED = '2026-01-31T11:00:00.000Z'
const KEYS = ['user:*', ...Array.from({ length: 150 }, (_, i) => `user:${i}`), 'userx', 'other:1', '*']

/** A policy is only its name here. */
type Name = string
interface Temporary {
  /** The policy until later; absent for a lasting one. */
  readonly until?: Name
  /** The lasting policy, or what follows. */
  readonly lasting: Name | null
}
type Policies = ReadonlyMap<string, Temporary>

const name = fc.constantFrom('a', 'b')
const stored = fc.oneof(
  { weight: 4, arbitrary: fc.record({ lasting: name as fc.Arbitrary<Name | null> }) },
  { weight: 1, arbitrary: fc.record({ until: name, lasting: fc.option(name) }) },
)
type Line = Temporary & { readonly isPassed?: boolean }
const line: fc.Arbitrary<Line> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ lasting: name as fc.Arbitrary<Name | null> }) },
  { weight: 1, arbitrary: fc.record({ until: name, lasting: fc.option(name), isPassed: fc.boolean() }) },
)
const keyed = <T>(value: fc.Arbitrary<T>, key = fc.constantFrom(...KEYS)) =>
  fc.uniqueArray(fc.tuple(key, value), { selector: ([key]) => key, maxLength: 60 }).map(pairs => new Map(pairs))

const scenario = fc.constantFrom('user:', 'user:1', '').chain(prune =>
  fc.record({
    prune: fc.constant(prune),
    before: keyed(stored),
    file: keyed(line, fc.constantFrom(...KEYS.filter(key => key.startsWith(prune)))).filter(({ size }) => size > 0),
    /** After how many appended steps the worker of each attempt is stopped. */
    stops: fc.array(fc.nat({ max: 3 }), { maxLength: 4 }),
  }),
)
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never

/** A store that takes the lease away after a number of steps, and keeps what the stopped worker would send once more. */
class InterruptingStore extends InMemoryPolicyStore {
  /** Steps until the lease is lost, for each attempt. */
  readonly #stops: number[]
  readonly sent: ImportStep[] = []

  constructor(stops: readonly number[]) {
    super(() => NOW.getTime())
    this.#stops = [...stops]
  }

  override async appendChunk(step: ImportStep): Promise<AppendResult> {
    const [left] = this.#stops
    if (left === 0) {
      this.#stops.shift()
      this.lend(step.partId, 'of another worker')
    } else if (left !== undefined) this.#stops[0] = left - 1
    this.sent.push(step)
    return super.appendChunk(step)
  }
}

describe('an import that prunes', () => {
  it(
    'leaves what an oracle expects, however often its worker is stopped, and as the dry run said',
    () => fc.assert(fc.asyncProperty(scenario, leavesWhatOracleExpects), runs(150, 10_000)),
    PROPERTY_TIMEOUT_MS,
  )
})

async function leavesWhatOracleExpects({ prune, before, file, stops }: Scenario): Promise<void> {
  const store = new InterruptingStore(stops)
  const staging = new InMemoryImportStaging(store)
  const now = () => NOW
  for (const [key, policy] of before) await put(store, key, requested(policy))

  const text = [...file].map(([key, policy]) => `${JSON.stringify({ key, ...requested(policy) })}\n`).join('')
  const { differences, ...foreseen } = await dryRunImport(bytesOf(text), {
    reader: store,
    at: NOW.toISOString(),
    prune,
    nextTurn,
  })
  const id = importId(randomUUID())
  await stageImport({ id, file: bytesOf(text), prune }, staging)
  const importer = new ImportApplier({ reader: store, store, staging, queue: new InMemoryCommandQueue(), now })
  const counts = []
  for (const partId of partIds(id)) counts.push(await applyPart({ id: partId, importId: id, prune }, store, importer))

  const expected = afterImport(before, file, prune)
  expect(await presentOf(store)).toEqual(expected)
  expect(sumOfCounts(counts)).toEqual(foreseen)
  expect(differences.map(({ key }) => key).toSorted()).toEqual(changedKeys(before, expected))

  // A stopped worker continues: it sends its last step again, after an operator has changed the keys.
  for (const key of before.keys()) await put(store, key, definitionOf({ description: 'operator' }))
  const present = await presentOf(store)
  for (const step of [...store.sent]) expect((await store.appendChunk(step)).kind).not.toBe('appended')
  expect(await presentOf(store)).toEqual(present)
}

/** Each attempt is another worker. */
async function applyPart(
  part: Pick<ImportPart, 'id' | 'importId' | 'prune'>,
  store: InterruptingStore,
  importer: ImportApplier,
) {
  for (;;) {
    const lease = randomUUID()
    store.lend(part.id, lease)
    const command: ImportPart = { ...part, type: 'import-part', actor: 'ops' }
    const outcome = await importer.apply(command, { isRetry: false, lease, refusal: undefined })
    if (outcome === undefined) continue
    if (!('counts' in outcome)) throw new Error(`the import ended as ${outcome.status}`)
    return outcome.counts
  }
}

async function put(store: InMemoryPolicyStore, key: string, policy: RequestedPolicy): Promise<void> {
  const id = commandId(key, randomUUID())
  store.lend(id, 'lease')
  const applier = new CommandApplier({ reader: store, store, now: () => NOW })
  const attempt = { isRetry: false, lease: 'lease', refusal: undefined }
  await applier.apply({ id, type: 'put', key, actor: 'ops', policy }, attempt)
}

function requested({ until, lasting, isPassed }: Line): RequestedPolicy {
  if (until === undefined) return definitionOf({ description: lasting as Name })
  const then = lasting === null ? null : definitionOf({ description: lasting })
  return { ...definitionOf({ description: until }), expiresAt: isPassed ? PASSED : LATER, then }
}

async function* bytesOf(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text)
}

async function presentOf(store: InMemoryPolicyStore): Promise<Policies> {
  const policies = new Map<string, Temporary>()
  for await (const records of store.all()) {
    for (const { key, policy } of records) {
      const { description = '', expiresAt, then } = policy as RequestedPolicy
      const isLasting = expiresAt === undefined
      policies.set(
        key,
        isLasting ? { lasting: description } : { until: description, lasting: then?.description ?? null },
      )
    }
  }
  return policies
}

/** Key by key, in the words of the contract. */
function afterImport(before: Policies, file: ReadonlyMap<string, Line>, prune: string): Policies {
  const after = new Map<string, Temporary>()
  for (const key of KEYS) {
    const present = before.get(key)
    const named = file.get(key)
    const line = named?.isPassed ? { lasting: named.lasting } : named
    const isNamed = line !== undefined && (line.until !== undefined || line.lasting !== null)
    if (!isNamed && key.startsWith(prune)) {
      if (present?.until !== undefined) after.set(key, { ...present, lasting: null })
    } else if (!isNamed) {
      if (present !== undefined) after.set(key, present)
    } else if (line.until === undefined && present?.until !== undefined) {
      after.set(key, { ...present, lasting: line.lasting })
    } else {
      after.set(
        key,
        line.until === undefined ? { lasting: line.lasting } : { until: line.until, lasting: line.lasting },
      )
    }
  }
  return after
}

function changedKeys(before: Policies, after: Policies): readonly string[] {
  const textOf = (policies: Policies, key: string) => {
    const { until, lasting } = policies.get(key) ?? {}
    return JSON.stringify([until, lasting])
  }
  return KEYS.filter(key => textOf(before, key) !== textOf(after, key)).toSorted()
}
