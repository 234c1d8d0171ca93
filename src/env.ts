/** The only reader of the environment: one schema of every variable, read once, with all faults in one report. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { type Static, type TObject, type TSchema, Type } from '@sinclair/typebox'
import type { Ajv, ErrorObject } from 'ajv'
import { envSchema } from 'env-schema'
import type { FieldStyle } from './check/rate-limit-fields.ts'
import { type OnStoreFailure, OUTAGE_POLICIES, policyFaults } from './domain/policy.ts'
import type { Token } from './http/auth.ts'
import { isTrustable } from './http/client-address.ts'
import { isLoopbackHost } from './http/loopback.ts'
import { KEY_STYLES, type KeyStyle } from './log-keys.ts'
import { readTlsFiles, type TlsFiles } from './redis/redis-tls.ts'
import { ALLOWED_REDIS_URLS, parseRedisUrl, RedisUrlFault, withoutLogin } from './redis/redis-url.ts'

const FIELD_STYLES = ['draft', 'legacy', 'both', 'none'] as const satisfies readonly FieldStyle[]
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
const MAX_COUNT = 1_000_000_000
const MAX_INTERVAL_MS = 2_678_400_000
const MAX_TIMER_MS = 2_147_483_647
const MAX_IMPORT_BYTES = 17_179_869_184
const TRUSTABLE = 'addresses, networks such as 10.0.0.0/8, loopback, linklocal or uniquelocal, comma-separated'

const integer = (byDefault: number, minimum: number, maximum: number, description: string) =>
  Type.Integer({ default: byDefault, minimum, maximum, description })

const choice = <T extends string>(byDefault: T, values: readonly T[], description: string) =>
  Type.Unsafe<T>({ type: 'string', default: byDefault, enum: [...values], description })

const text = (description: string) => Type.Optional(Type.String({ description }))

const tokens = (form: string, description: string) =>
  Type.Optional(
    Type.String({ pattern: `^${form}(,${form})*$`, allowed: 'name:token, comma-separated', secret: true, description }),
  )

export const EnvSchema = Type.Object({
  HOST: Type.String({
    default: '127.0.0.1',
    description: 'Where to listen. Anything but loopback needs ADMIN_TOKENS.',
  }),
  PORT: integer(8080, 0, 65_535, 'The port to listen on; 0 takes a free one and says which.'),
  WEB_CONCURRENCY: integer(availableParallelism(), 1, 512, 'How many front processes. Unset: one for each core.'),
  REDIS_URL: text('Where buckets live. Unset: the embedded store.'),
  CONFIG_REDIS_URL: text('Where policies, events and queues live. Unset: with the buckets.'),
  REDIS_TLS_CA: text('Who vouches for a Redis at rediss://: a PEM file, or PEM itself.'),
  REDIS_TLS_CERT: text('The certificate to show to Redis: a PEM file, or PEM itself.'),
  REDIS_TLS_KEY: text('The key of that certificate: a PEM file, or PEM itself.'),
  SENTINEL_PASSWORD: text('The password of the Sentinels themselves.'),
  REDIS_TIMEOUT_MS: integer(100, 1, 60_000, 'What one check may spend on the store.'),
  KEY_PREFIX: Type.String({
    default: 'throttler',
    pattern: '^[A-Za-z0-9._:-]{1,64}$',
    allowed: '1 to 64 of A–Z a–z 0–9 . _ : -',
    description: 'Begins every key in Redis.',
  }),
  DATA_DIR: Type.String({
    default: './data',
    description: 'Where the embedded store keeps policies and their events.',
  }),
  DEFAULT_CAPACITY: integer(100, 1, MAX_COUNT, 'The built-in policy: how many tokens fit.'),
  DEFAULT_REFILL_TOKENS: integer(10, 1, MAX_COUNT, 'The built-in policy: how many tokens come back …'),
  DEFAULT_REFILL_INTERVAL_MS: integer(1000, 1, MAX_INTERVAL_MS, '… in so many milliseconds.'),
  ON_STORE_FAILURE: choice<OnStoreFailure>('local', OUTAGE_POLICIES, 'What checks get while the store is away.'),
  RATELIMIT_HEADERS: choice<FieldStyle>('draft', FIELD_STYLES, 'Which fields tell clients about their limit.'),
  ADMIN_TOKENS: tokens(
    '[^:,\\s]+:[^:,\\s]+(:read)?',
    'Who may read and change policies: name:token, or name:token:read.',
  ),
  CHECK_TOKENS: tokens('[^:,\\s]+:[^:,\\s]+', 'Who may check. Unset: anybody.'),
  ADMIN_CAPACITY: integer(2000, 1, MAX_COUNT, 'How many admin calls a token, and an address, may make at once …'),
  ADMIN_REFILL_PER_SECOND: integer(1000, 1, MAX_COUNT, '… and how many more each second.'),
  TRUST_PROXY: Type.Optional(
    Type.String({
      pattern: '^[^,\\s]+(,[^,\\s]+)*$',
      allowed: TRUSTABLE,
      description: 'Proxies whose X-Forwarded-For names the client: addresses, networks, loopback, comma-separated.',
    }),
  ),
  MAX_WAITING_CHECKS: integer(10_000, 1, 1_000_000, 'How many checks may wait for the store; beyond: 503 overloaded.'),
  EVENT_LOOP_LAG_MS: integer(500, 1, 60_000, 'How far a process may be behind; beyond: 503 overloaded.'),
  COMMAND_RETENTION_MS: integer(86_400_000, 1000, MAX_TIMER_MS, 'How long the outcome of a change is kept.'),
  CONFIG_LOG_KEEP: Type.String({
    default: 'all',
    pattern: '^(all|[1-9][0-9]{0,8})$',
    allowed: 'all, or an integer from 1 to 999999999',
    description: 'How many events of each partition are kept before older ones are compacted.',
  }),
  IMPORT_MAX_BYTES: integer(268_435_456, 1, MAX_IMPORT_BYTES, 'How large an imported file may be.'),
  LOG_LEVEL: choice('info', LOG_LEVELS, 'The least severe log lines to write.'),
  LOG_KEYS: choice<KeyStyle>('hash', KEY_STYLES, 'How callers’ keys stand in logs.'),
  LOG_KEY_SECRET: Type.Optional(
    Type.String({ secret: true, description: 'What keys in logs are hashed with. Unset: a random one each start.' }),
  ),
  SHUTDOWN_TIMEOUT_MS: integer(10_000, 100, 600_000, 'How long requests in flight may take to end at a stop.'),
  KEEP_ALIVE_TIMEOUT_MS: integer(72_000, 1000, 3_600_000, 'How long an idle connection stays open.'),
  WORKER_METRICS_PORT: integer(9464, 0, 65_535, 'Where a worker answers /health and /metrics; 0: nowhere.'),
})

/** Variables that a file may hold instead: its path stands in the variable with `_FILE` behind its name. */
export const FILE_VARIABLES = [
  'REDIS_URL',
  'CONFIG_REDIS_URL',
  'SENTINEL_PASSWORD',
  'ADMIN_TOKENS',
  'CHECK_TOKENS',
] as const

const URL_VARIABLES = ['REDIS_URL', 'CONFIG_REDIS_URL'] as const

type Variables = Readonly<Record<string, string | undefined>>

export interface Env
  extends Omit<Static<typeof EnvSchema>, 'ADMIN_TOKENS' | 'CHECK_TOKENS' | 'CONFIG_LOG_KEEP' | 'TRUST_PROXY'> {
  readonly ADMIN_TOKENS: readonly Token[]
  readonly CHECK_TOKENS: readonly Token[]
  /** `undefined`: all. */
  readonly CONFIG_LOG_KEEP: number | undefined
  /** What `REDIS_TLS_CA`, `REDIS_TLS_CERT` and `REDIS_TLS_KEY` name. */
  readonly redisTls: TlsFiles
  readonly TRUST_PROXY: readonly string[]
  readonly LOG_KEY_SECRET: string
}

/** Which part of the service reads: those that are started alone have no embedded store to fall back on. */
export interface EnvOptions {
  readonly needsRedis: boolean
}

/** Every fault of the environment, each with the variable's name, what was given and what is allowed. */
export class EnvError extends Error {
  override readonly name = 'EnvError'

  constructor(faults: readonly string[]) {
    super(`The environment is not as it must be:\n${faults.map(fault => `  ${fault}`).join('\n')}`)
  }
}

/** @throws {EnvError} */
export function readEnv(options: EnvOptions, variables: Variables = process.env): Env {
  const faults: string[] = []
  const given = withFiles(withoutEmpty(variables), faults)
  const env = parse(given, faults)
  faults.push(...urlFaults(given))
  const redisTls = readTlsFiles(given, faults)
  if (env !== undefined) faults.push(...crossFaults(env, options))
  if (env === undefined || faults.length > 0) throw new EnvError(faults)
  return {
    ...env,
    redisTls,
    ADMIN_TOKENS: parseTokens(env.ADMIN_TOKENS),
    CHECK_TOKENS: parseTokens(env.CHECK_TOKENS),
    CONFIG_LOG_KEEP: env.CONFIG_LOG_KEEP === 'all' ? undefined : Number(env.CONFIG_LOG_KEEP),
    TRUST_PROXY: env.TRUST_PROXY?.split(',') ?? [],
    LOG_KEY_SECRET: env.LOG_KEY_SECRET ?? randomBytes(32).toString('hex'),
  }
}

/** The environment of a child process: this one's, with some variables set. */
export function childVariables(overrides: Variables): NodeJS.ProcessEnv {
  return { ...process.env, ...overrides }
}

/** Whether npm started this process; then npm's death is a reason to end. */
export function isRunByNpm(): boolean {
  return process.env['npm_lifecycle_event'] !== undefined
}

function withoutEmpty(variables: Variables): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).filter((entry): entry is [string, string] => !!entry[1]))
}

function withFiles(given: Record<string, string>, faults: string[]): Record<string, string> {
  const merged = { ...given }
  for (const name of FILE_VARIABLES) {
    const path = given[`${name}_FILE`]
    if (path === undefined) continue
    if (given[name] !== undefined) {
      faults.push(`${name} and ${name}_FILE are both set; set one of them`)
      continue
    }
    try {
      merged[name] = readFileSync(path, 'utf8').trim()
    } catch (err) {
      faults.push(`${name}_FILE was ${JSON.stringify(path)}, which cannot be read: ${(err as Error).message}`)
    }
  }
  return merged
}

function parse(given: Record<string, string>, faults: string[]): Static<typeof EnvSchema> | undefined {
  try {
    const ajv = { customOptions: (ajv: Ajv) => ajv.addVocabulary(['allowed', 'secret']) }
    return envSchema<Static<typeof EnvSchema>>({ schema: EnvSchema, data: { ...given }, env: false, ajv })
  } catch (err) {
    const errors = (err as { errors?: ErrorObject[] }).errors
    if (errors === undefined) throw err
    faults.push(...errors.map(({ instancePath }) => describe(instancePath.slice(1), given)))
    return undefined
  }
}

function describe(name: string, given: Record<string, string>): string {
  const schema = (EnvSchema as TObject).properties[name] as TSchema
  const was = schema['secret'] ? 'is not of the right form' : `was ${JSON.stringify(given[name])}`
  return `${name} ${was}; allowed: ${allowedBy(schema)}`
}

function allowedBy(schema: TSchema): string {
  if (schema['enum']) return (schema['enum'] as string[]).join(', ')
  if (schema['type'] === 'integer') return `an integer from ${schema['minimum']} to ${schema['maximum']}`
  return String(schema['allowed'])
}

function urlFaults(given: Record<string, string>): string[] {
  return URL_VARIABLES.flatMap(name => {
    const url = given[name]
    if (url === undefined) return []
    try {
      parseRedisUrl(url)
      return []
    } catch (err) {
      if (!(err instanceof RedisUrlFault)) throw err
      return [`${name} was ${JSON.stringify(withoutLogin(url))}: ${err.message}; allowed: ${ALLOWED_REDIS_URLS}`]
    }
  })
}

/** What no variable can be blamed for alone. */
function crossFaults(env: Static<typeof EnvSchema>, { needsRedis }: EnvOptions): string[] {
  const faults: string[] = []
  if (env.REDIS_URL === undefined && env.CONFIG_REDIS_URL !== undefined) {
    faults.push('CONFIG_REDIS_URL was set without REDIS_URL; allowed: both, or REDIS_URL alone')
  } else if (env.REDIS_URL === undefined && needsRedis) {
    faults.push('REDIS_URL was not set; without the embedded store of `npm start` it is needed')
  }
  if (!isLoopbackHost(env.HOST) && env.ADMIN_TOKENS === undefined) {
    faults.push(
      `HOST was ${JSON.stringify(env.HOST)} without ADMIN_TOKENS; allowed: a loopback address, or any with ADMIN_TOKENS`,
    )
  }
  if (env.TRUST_PROXY?.split(',').every(isTrustable) === false) {
    faults.push(`TRUST_PROXY was ${JSON.stringify(env.TRUST_PROXY)}; allowed: ${TRUSTABLE}`)
  }
  const [fault] = policyFaults(builtInDefinition(env))
  if (fault !== undefined) {
    faults.push(
      `DEFAULT_CAPACITY, DEFAULT_REFILL_TOKENS and DEFAULT_REFILL_INTERVAL_MS do not go together: ${fault.message}`,
    )
  }
  return faults
}

type BuiltIn = Pick<
  Static<typeof EnvSchema>,
  'DEFAULT_CAPACITY' | 'DEFAULT_REFILL_TOKENS' | 'DEFAULT_REFILL_INTERVAL_MS'
>

/** The policy of keys that no config key matches. */
export function builtInDefinition(env: BuiltIn) {
  const limit = {
    name: 'default',
    capacity: env.DEFAULT_CAPACITY,
    refillTokens: env.DEFAULT_REFILL_TOKENS,
    refillIntervalMs: env.DEFAULT_REFILL_INTERVAL_MS,
  }
  return { limits: [limit], mode: 'enforce' as const }
}

function parseTokens(list: string | undefined): readonly Token[] {
  if (list === undefined) return []
  return list.split(',').map(entry => {
    const [name = '', token = '', access] = entry.split(':')
    return { name, token, readOnly: access === 'read' }
  })
}
