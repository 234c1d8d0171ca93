import type { AskedCheck } from '../../check/pending-check.ts'
import type { Conditions } from '../../domain/commands.ts'
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
import { type Answer, ask, failureIn, successOf } from './answer.ts'
import { awaitAccepted } from './await-accepted.ts'
import type { ServiceClient, ServiceRequest } from './client.ts'
import { JSON_BODY, preferWait, reasonField } from './fields.ts'

/** Members of a denial that say how HTTP carries it. */
const PROBLEM_MEMBERS = ['type', 'title', 'status', 'instance']
const DENIALS: ReadonlySet<unknown> = new Set(['quota-exceeded', 'blocked'])

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
    const decision = isDenial ? (answer.body ?? {}) : successOf(this.#client, answer)
    const members = Object.entries(decision).filter(([name]) => !PROBLEM_MEMBERS.includes(name))
    return Object.fromEntries(members) as unknown as DecisionBody
  }

  async reset(key: string): Promise<void> {
    const answer = await this.#ask({ method: 'DELETE', path: `/buckets/${encodeURIComponent(key)}` })
    if (answer.status !== 204) throw failureIn(this.#client, answer)
  }

  get(key: string): Promise<PolicyBody> {
    return this.#read(pathOf(key))
  }

  async *history(key: string): AsyncGenerator<readonly EventBody[]> {
    for (let cursor: string | undefined; ; ) {
      const query: string = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const page: HistoryPage = await this.#read(`${pathOf(key)}/history?limit=${EVENTS_PER_PAGE}${query}`)
      yield page.events
      if (page.nextCursor === undefined) return
      cursor = page.nextCursor
    }
  }

  async dryRun(key: string, policy: string): Promise<DryRunBody> {
    const path = `${pathOf(key)}?dryRun=true`
    const answer = await this.#ask({ method: 'PUT', path, headers: JSON_BODY, body: policy })
    return successOf(this.#client, answer) as unknown as DryRunBody
  }

  async change(change: Change, wait: Wait): Promise<PolicyBody | undefined> {
    const answer = await this.#ask(requestOf(change, wait))
    if (answer.status === 204) return undefined
    const body = successOf(this.#client, answer)
    if (answer.status !== 202) return body as unknown as PolicyBody
    const { version } = await awaitAccepted(this.#client, String(body['commandId']), wait)
    return change.type === 'delete' ? undefined : this.#read(`${pathOf(change.key)}?version=${version}`)
  }

  async #read<T>(path: string): Promise<T> {
    return successOf(this.#client, await this.#ask({ method: 'GET', path })) as T
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
