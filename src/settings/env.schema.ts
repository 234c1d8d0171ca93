/** Every variable of the environment: its default, what is allowed and what it means. */
import { availableParallelism } from 'node:os'
import { Type } from '@sinclair/typebox'
import { type OnStoreFailure, STORE_FAILURE_MODES } from '../domain/policy.ts'
import { KEY_STYLES, type KeyStyle } from '../observability/logged-keys.ts'

const FIELD_STYLES = ['draft', 'legacy', 'both', 'none'] as const
/** Which response fields tell a client about its limit. */
export type FieldStyle = (typeof FIELD_STYLES)[number]
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
const MAX_COUNT = 1_000_000_000
const MAX_INTERVAL_MS = 2_678_400_000
const MAX_TIMER_MS = 2_147_483_647
const MAX_IMPORT_BYTES = 17_179_869_184
/** What `TRUST_PROXY` may name. */
export const TRUSTABLE = 'addresses, networks such as 10.0.0.0/8, loopback, linklocal or uniquelocal, comma-separated'

const integer = (byDefault: number, minimum: number, maximum: number, description: string) =>
  Type.Integer({ default: byDefault, minimum, maximum, description })

const choice = <T extends string>(byDefault: T, values: readonly T[], description: string) =>
  Type.Unsafe<T>({ type: 'string', default: byDefault, enum: [...values], description })

const text = (description: string) => Type.Optional(Type.String({ description }))

/** A name, and what can stand in an Authorization field: visible ASCII, but for what separates here. */
const TOKEN = '[^:,\\s]+:[!-+\\x2d-9;-~]+'

const tokens = (form: string, description: string) =>
  Type.Optional(
    Type.String({
      pattern: `^${form}(,${form})*$`,
      allowed: 'name:token, comma-separated, tokens of visible ASCII',
      secret: true,
      description,
    }),
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
  ON_STORE_FAILURE: choice<OnStoreFailure>('local', STORE_FAILURE_MODES, 'What checks get while the store is away.'),
  RATELIMIT_HEADERS: choice<FieldStyle>('draft', FIELD_STYLES, 'Which fields tell clients about their limit.'),
  ADMIN_TOKENS: tokens(`${TOKEN}(:read)?`, 'Who may read and change policies: name:token, or name:token:read.'),
  CHECK_TOKENS: tokens(TOKEN, 'Who may check. Unset: anybody.'),
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
