import { afterAll, beforeAll, expect, it } from '@jest/globals'
import type { TSchema } from '@sinclair/typebox'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { PolicyRequest } from '../../src/config-change/policy.schema.ts'
import { TestApp } from '../support/app.ts'
import { PROPERTY_TIMEOUT_MS, runs } from '../support/property-runs.ts'
import { type Store, startStore } from '../support/store.ts'

/** A place in a policy, as a JSON pointer, and an invalid value for it; `undefined` means that a required member is missing. */
interface Violation {
  readonly path: string
  readonly value: unknown
}

const SHORT = { capacity: 10, refillTokens: 1, refillIntervalMs: 1000, mode: 'enforce', onStoreFailure: 'deny' }
const LIMITS = [1, 2, 3].map(n => ({ name: `l${n}`, capacity: n, refillTokens: n, refillIntervalMs: n }))
const LONG = { limits: LIMITS, mode: 'shadow', onStoreFailure: 'local', description: 'x' }
/** An end so far ahead that it is one whenever the test runs. */
const temporary = (then: object) => ({
  ...SHORT,
  expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
  then,
})
const VALUES = [null, true, 0.5, 'text', [], {}, ['1'], { a: 1 }]

function kindOf(value: unknown): string {
  if (value === null || Array.isArray(value)) return value === null ? 'null' : 'array'
  return Number.isInteger(value) ? 'integer' : typeof value
}

/** Everything that a schema forbids at a path of this policy, and nothing else. */
function violationsOf(schema: TSchema, path: string): fc.Arbitrary<Violation> {
  const found: fc.Arbitrary<unknown>[] = []
  const deeper: fc.Arbitrary<Violation>[] = []
  if (schema['type'] !== undefined) {
    const allowed = [schema['type']].flat()
    found.push(fc.constantFrom(...VALUES.filter(value => !allowed.includes(kindOf(value)))))
  }
  if (schema['minimum'] !== undefined) found.push(fc.integer({ max: Number(schema['minimum']) - 1 }))
  if (schema['maximum'] !== undefined) found.push(fc.maxSafeInteger().filter(n => n > Number(schema['maximum'])))
  if (schema['maxLength'] !== undefined) {
    found.push(fc.string({ minLength: Number(schema['maxLength']) + 1, maxLength: 2 * Number(schema['maxLength']) }))
  }
  if (schema['pattern'] !== undefined) {
    found.push(fc.string().filter(text => !new RegExp(String(schema['pattern'])).test(text)))
  }
  if (schema['enum'] !== undefined) found.push(fc.string().filter(text => !schema['enum'].includes(text)))
  if (schema['maxItems'] !== undefined)
    found.push(fc.constantFrom([], new Array(schema['maxItems'] + 1).fill(LIMITS[0])))
  if (schema['type'] === 'array') {
    deeper.push(...LIMITS.map((_, i) => violationsOf(schema['items'], `${path}/${i}`)))
  }
  for (const [name, property] of Object.entries((schema['properties'] ?? {}) as Record<string, TSchema>)) {
    deeper.push(violationsOf(property, `${path}/${name}`))
  }
  for (const name of (schema['required'] ?? []) as string[]) {
    deeper.push(fc.constant({ path: `${path}/${name}`, value: undefined }))
  }
  if (schema['additionalProperties'] === false) {
    const known = Object.keys(schema['properties'])
    const unknown = fc.stringMatching(/^[a-z_]{1,12}$/).filter(name => !known.includes(name))
    deeper.push(unknown.map(name => ({ path: `${path}/${name}`, value: 1 })))
  }
  return fc.oneof(...found.map(values => values.map(value => ({ path, value }))), ...deeper)
}

/** A copy of the policy with this violation. */
function broken(policy: object, { path, value }: Violation): unknown {
  if (path === '') return value
  const copy = structuredClone(policy) as Record<string, unknown>
  const members = path.slice(1).split('/')
  const last = members.pop() ?? ''
  const parent = members.reduce((at, member) => at[member] as Record<string, unknown>, copy)
  if (value === undefined) delete parent[last]
  else Object.defineProperty(parent, last, { value, enumerable: true, configurable: true, writable: true })
  return copy
}

let store: Store
let app: TestApp
beforeAll(async () => {
  store = await startStore()
  app = await TestApp.start(store, { worker: false, variables: { KEY_PREFIX: 'illegal' } })
})
afterAll(async () => {
  await app.close()
  await store.stop()
})

/** The keys of BullMQ's queues. There are none before the first command. */
async function queueKeys(): Promise<readonly string[]> {
  const redis = new Redis(store.url)
  try {
    // Reading a queue creates its `meta` key.
    return (await redis.keys('{illegal:config-*}:config-*')).filter(key => !key.endsWith(':meta'))
  } finally {
    redis.disconnect()
  }
}

it(
  'a policy that violates the schema is refused with the path of the fault, and never queued',
  async () => {
    const lasting = (path: string) => (path.startsWith('/limits/') ? LONG : SHORT)
    const base = (path: string) =>
      path.startsWith('/then') ? temporary(lasting(path.slice('/then'.length))) : lasting(path)
    await fc.assert(
      fc.asyncProperty(violationsOf(PolicyRequest, ''), fc.boolean(), async (violation, isDryRun) => {
        const policy = broken(base(violation.path), violation)
        const url = `/config/k${isDryRun ? '?dryRun=true' : ''}`
        const { status, body } = await app.client.request('PUT', url, JSON.stringify(policy))
        expect([status, body.code]).toEqual([400, 'validation-failed'])
        const paths = body.errors.map(({ path }: { path: string }) => path)
        expect(new Set(paths)).toEqual(new Set([violation.path]))
        expect(body.detail).toContain(`${violation.path || 'the body'}: `)
      }),
      runs(300, 10_000),
    )
    expect(await queueKeys()).toEqual([])
    for (const policy of [SHORT, LONG]) expect((await app.client.request('PUT', '/config/k', policy)).status).toBe(202)
    expect(await queueKeys()).not.toEqual([])
  },
  PROPERTY_TIMEOUT_MS,
)
