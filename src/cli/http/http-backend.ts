import type { AskedCheck } from '../../check/pending-check.ts'
import type { Conditions } from '../../domain/commands.ts'
import { DENIALS } from '../../lib/errors.ts'
import { isObject } from '../../lib/is-object.ts'
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
import { type Answer, ask, failureIn, notThrottler, successOf } from './answer.ts'
import { confirmKey, refuseOtherKey } from './answered-key.ts'
import { type AcceptedBody, awaitAccepted } from './await-accepted.ts'
import type { ServiceClient, ServiceRequest } from './client.ts'
import { JSON_BODY, preferWait, reasonField } from './fields.ts'

/** Members of a denial that say how HTTP carries it. */
const PROBLEM_MEMBERS = ['type', 'title', 'status', 'instance']

/** Asks the service over HTTP. */
export class HttpBackend implements Backend {
  readonly #client: ServiceClient

  constructor(client: ServiceClient) {
    this.#client = client
  }

  async check(asked: AskedCheck): Promise<DecisionBody> {
    const body = JSON.stringify(asked)
    const answer = await this.#ask({ method: 'POST', path: '/check', headers: JSON_BODY, body })
    const isDenial = answer.status === 429 && DENIALS.has(answer.body?.['code'])
    const decision = isDenial ? (answer.body ?? {}) : successOf<DecisionBody>(this.#client, answer, 'allowed')
    const members = Object.entries(decision).filter(([name]) => !PROBLEM_MEMBERS.includes(name))
    return Object.fromEntries(members) as unknown as DecisionBody
  }

  async reset(key: string): Promise<void> {
    const path = `/buckets/${encodeURIComponent(key)}`
    await confirmKey(this.#client, `${path}?tokens=0`, key)
    const answer = await this.#ask({ method: 'DELETE', path })
    if (answer.status !== 204) throw failureIn(this.#client, answer)
  }

  get(key: string): Promise<PolicyBody> {
    return this.#read<PolicyBody>(key, '', 'version')
  }

  async *history(key: string): AsyncGenerator<readonly EventBody[]> {
    for (let cursor: string | undefined; ; ) {
      const query: string = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const page = `/history?limit=${EVENTS_PER_PAGE}${query}`
      const { events, nextCursor } = await this.#read<HistoryPage>(key, page, 'events')
      const isPage: boolean = Array.isArray(events) && events.every((event: unknown) => isObject(event))
      // A cursor that stays the same would lead to the same page for ever.
      if (!isPage || (nextCursor !== undefined && nextCursor === cursor)) throw notThrottler(this.#client, 200)
      yield events
      if (nextCursor === undefined) return
      cursor = nextCursor
    }
  }

  async dryRun(key: string, policy: string): Promise<DryRunBody> {
    await confirmKey(this.#client, pathOf(key), key)
    const path = `${pathOf(key)}?dryRun=true`
    const answer = await this.#ask({ method: 'PUT', path, headers: JSON_BODY, body: policy, isDryRun: true })
    return successOf<DryRunBody>(this.#client, answer, 'dryRun')
  }

  async change(change: Change, wait: Wait): Promise<PolicyBody | undefined> {
    const { key, type } = change
    await confirmKey(this.#client, pathOf(key), key)
    const answer = await this.#ask(requestOf(change, wait))
    if (answer.status === 204 && type === 'delete') return undefined
    if (answer.status !== 202) return this.#successFor<PolicyBody>(key, answer, 'version')
    const { commandId } = this.#successFor<AcceptedBody>(key, answer, 'commandId')
    const { version } = await awaitAccepted(this.#client, commandId, wait)
    if (type === 'delete') return undefined
    return this.#read<PolicyBody>(key, `?version=${version}`, 'version')
  }

  /** @param resource under the path of the policy */
  async #read<T extends object>(key: string, resource: string, member: keyof T & string): Promise<T> {
    const answer = await this.#ask({ method: 'GET', path: `${pathOf(key)}${resource}` })
    refuseOtherKey(this.#client, answer, key)
    return successOf<T>(this.#client, answer, member)
  }

  #successFor<T extends object>(key: string, answer: Answer, member: keyof T & string): T {
    const body = successOf<T>(this.#client, answer, member)
    refuseOtherKey(this.#client, answer, key)
    return body
  }

  async #ask(request: ServiceRequest): Promise<Answer> {
    return ask(this.#client, request)
  }
}

interface HistoryPage {
  readonly events: readonly EventBody[]
  readonly nextCursor?: string
}

function pathOf(key: string): string {
  return `/config/${encodeURIComponent(key)}`
}

function requestOf(change: Change, { timeoutMs }: Wait): ServiceRequest {
  const { key, reason, conditions = {} } = change
  const headers = { ...preferWait(timeoutMs), ...reasonField(reason), ...conditionFields(conditions) }
  switch (change.type) {
    case 'put':
      return { method: 'PUT', path: pathOf(key), headers: { ...headers, ...JSON_BODY }, body: change.policy }
    case 'rollback': {
      const body = JSON.stringify({ version: change.version })
      return { method: 'POST', path: `${pathOf(key)}/rollback`, headers: { ...headers, ...JSON_BODY }, body }
    }
    case 'delete':
      return { method: 'DELETE', path: pathOf(key), headers }
  }
}

function conditionFields({ ifMatch, ifNoneMatch }: Conditions): Record<string, string> {
  const tags = ifMatch === '*' ? '*' : ifMatch?.map(tag => `"${tag}"`).join(', ')
  return { ...(tags !== undefined && { 'if-match': tags }), ...(ifNoneMatch && { 'if-none-match': ifNoneMatch }) }
}
