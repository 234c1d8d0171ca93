import { randomUUID } from 'node:crypto'
import { decisionMembers } from '../../check/http/decision-json.ts'
import type { AskedCheck } from '../../check/pending-check.ts'
import { PolicyLookup, policyUnknown } from '../../check/policy-lookup.ts'
import type { BucketCheck, BucketStore } from '../../check/ports.ts'
import { tooManyTokens } from '../../check/without-store.ts'
import { dryRunBody } from '../../config-change/http/dry-run-json.ts'
import { eventBody } from '../../config-change/http/history-json.ts'
import { policyBody } from '../../config-change/http/policy-json.ts'
import type { PolicyReader } from '../../config-change/ports.ts'
import { emptyHistory, readCurrent } from '../../config-change/read-policy.ts'
import { dryRun } from '../../config-change/submit/dry-run.ts'
import { type BucketDecision, type Decision, decideByBucket, decideByMode, explain } from '../../domain/decision.ts'
import type { PolicyDefinition } from '../../domain/policy.ts'
import { Problem } from '../../lib/errors.ts'
import {
  type Backend,
  type Change,
  type DecisionBody,
  type DryRunBody,
  EVENTS_PER_PAGE,
  type EventBody,
  type PolicyBody,
  type Wait,
} from '../backend/backend.ts'
import { policiesFor } from './policies-for.ts'
import { requestedPolicy } from './requested-policy.ts'
import type { StoreChanges } from './store-changes.ts'

interface StoreBackendOptions {
  readonly reader: PolicyReader
  readonly buckets: BucketStore
  readonly changes: StoreChanges
  /** The policy for keys that match no other. */
  readonly builtIn: PolicyDefinition
  readonly actor: string
}

/** Reads and changes the stores of the service, without the service. */
export class StoreBackend implements Backend {
  readonly #options: StoreBackendOptions

  constructor(options: StoreBackendOptions) {
    this.#options = options
  }

  /** An unavailable store is an error here, and the policy's `onStoreFailure` is ignored: there is no process to decide instead. */
  async check(asked: AskedCheck): Promise<DecisionBody> {
    const { reader, builtIn, buckets } = this.#options
    const policies = new PolicyLookup(await policiesFor(asked, reader, builtIn), async () => undefined)
    const policy = policies.find(asked)
    if (policy === undefined) throw policyUnknown(asked)
    const check = { key: asked.key, policy, tokens: asked.tokens }
    const result = tooManyTokens(check) ?? decideByMode(check) ?? (await decideByStore(check, buckets))
    if (result instanceof Problem) throw result
    return decisionBody(result)
  }

  reset(key: string): Promise<void> {
    return this.#options.buckets.reset(key)
  }

  async get(key: string): Promise<PolicyBody> {
    return policyBody(await readCurrent(this.#options.reader, key))
  }

  async *history(key: string): AsyncGenerator<readonly EventBody[]> {
    for (let after = 0; ; ) {
      const events = await this.#options.reader.history(key, { after, limit: EVENTS_PER_PAGE })
      const last = events.at(-1)
      if (last === undefined && after === 0) throw emptyHistory(key)
      if (last === undefined) return
      yield events.map(eventBody)
      after = last.version
    }
  }

  async dryRun(key: string, json: string): Promise<DryRunBody> {
    const { reader, actor } = this.#options
    const command = { type: 'put', key, actor, requestId: randomUUID(), policy: requestedPolicy(json) } as const
    return dryRunBody(await dryRun(command, { reader, at: new Date().toISOString() }))
  }

  change(change: Change, wait: Wait): Promise<PolicyBody | undefined> {
    return this.#options.changes.apply(change, wait)
  }
}

async function decideByStore(check: BucketCheck, buckets: BucketStore): Promise<Decision | Problem> {
  const [reading] = await buckets.check([check])
  if (reading === undefined) return new Problem('store-unavailable', 'the bucket store is unavailable; try again')
  return decideByBucket(check, reading, 'redis')
}

function decisionBody(decision: Decision): DecisionBody {
  const body = JSON.parse(`{${decisionMembers(decision)}}`) as DecisionBody
  if (decision.allowed) return body
  if (decision.blocked) {
    return { ...body, code: 'blocked', detail: `the policy "${decision.policy.configKey}" blocks the key` }
  }
  return { ...body, code: 'quota-exceeded', detail: explain(decision as BucketDecision) }
}
