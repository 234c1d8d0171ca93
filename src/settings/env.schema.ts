/** Every setting: its default, what is allowed and what it means. */
import { availableParallelism } from 'node:os'
import { type TSchema, Type } from '@sinclair/typebox'
import { MAX_COUNT } from '../domain/limits/limit-fault.ts'
import { MAX_INTERVAL_MS } from '../domain/limits/token-bucket.ts'
import { type OnStoreFailure, STORE_FAILURE_MODES } from '../domain/policy.ts'
import { MAX_TIMER_MS } from '../lib/max-timer.ts'
import { KEY_STYLES, type KeyStyle } from '../observability/logged-keys.ts'
import { MIN_TOKEN_LENGTH } from './token.ts'

const FIELD_STYLES = ['draft', 'legacy', 'both', 'none'] as const
/** Which response fields tell a client about its limit. */
export type FieldStyle = (typeof FIELD_STYLES)[number]
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
const MAX_IMPORT_BYTES = 17_179_869_184

const integer = (byDefault: number, minimum: number, maximum: number, description: string) =>
  Type.Integer({ default: byDefault, minimum, maximum, description })

const optionalPort = (description: string) => Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535, description }))

const choice = <T extends string>(byDefault: T, values: readonly T[], description: string) =>
  Type.Unsafe<T>({ type: 'string', default: byDefault, enum: [...values], description })

const text = (description: string, example: string) => Type.Optional(Type.String({ description, examples: [example] }))

export const EnvSchema = Type.Object(
  {
    HOST: Type.String({
      default: '127.0.0.1',
      description:
        'Address to listen on; localhost is 127.0.0.1 and ::1. Any but a loopback address needs ADMIN_TOKENS.',
      examples: ['0.0.0.0'],
    }),
    PORT: integer(8080, 0, 65_535, 'Port to listen on. 0: a free port, which the log names.'),
    RESP_PORT: optionalPort('Port for RESP, the protocol of Redis. Unset: off. 0: a free port, which the log names.'),
    GRPC_PORT: optionalPort(
      "Port for Envoy's rate limit service over gRPC. Unset: off. 0: a free port, which the log names.",
    ),
    WEB_CONCURRENCY: integer(availableParallelism(), 1, 512, 'Number of front processes. Unset: one per core.'),
    REDIS_URL: text(
      'Redis that stores buckets. Unset: the embedded store.',
      'redis://user:password@redis.internal:6379/0',
    ),
    CONFIG_REDIS_URL: text(
      'Redis that stores policies, events and queues. Unset: the one of REDIS_URL.',
      'redis://user:password@config.internal:6379/0',
    ),
    REDIS_TLS_CA: text(
      'CA certificate that verifies Redis: PEM, or the path of a PEM file.',
      '/run/secrets/redis-ca.pem',
    ),
    REDIS_TLS_CERT: text(
      'Client certificate for Redis: PEM, or the path of a PEM file.',
      '/run/secrets/redis-cert.pem',
    ),
    REDIS_TLS_KEY: text(
      'Private key of the client certificate: PEM, or the path of a PEM file.',
      '/run/secrets/redis-key.pem',
    ),
    SENTINEL_PASSWORD: text('Password of the Sentinels themselves.', 'password-of-the-sentinels'),
    REDIS_TIMEOUT_MS: integer(100, 1, 60_000, 'Longest time that one check waits for the bucket store, in ms.'),
    KEY_PREFIX: Type.String({
      default: 'throttler',
      pattern: '^[A-Za-z0-9._:-]{1,64}$',
      rule: 'have 1 to 64 characters, each a letter, a digit or one of . _ : -',
      description: 'Prefix of every key in Redis.',
      examples: ['staging'],
    }),
    DATA_DIR: Type.String({
      default: './data',
      pattern: '\\S',
      rule: 'be the path of a directory',
      description: 'Directory in which the embedded store keeps policies, their events and counts of quotas.',
      examples: ['/var/lib/throttler'],
    }),
    DEFAULT_CAPACITY: integer(100, 1, MAX_COUNT, 'Built-in policy: capacity of a bucket, in tokens.'),
    DEFAULT_REFILL_TOKENS: integer(10, 1, MAX_COUNT, 'Built-in policy: tokens added per DEFAULT_REFILL_INTERVAL_MS.'),
    DEFAULT_REFILL_INTERVAL_MS: integer(1000, 1, MAX_INTERVAL_MS, 'Built-in policy: refill interval, in ms.'),
    ON_STORE_FAILURE: choice<OnStoreFailure>(
      'local',
      STORE_FAILURE_MODES,
      'How checks are decided while the bucket store is unavailable, for policies without onStoreFailure: local, allow or deny.',
    ),
    RATELIMIT_HEADERS: choice<FieldStyle>(
      'draft',
      FIELD_STYLES,
      'RateLimit fields of responses: draft (RateLimit), legacy (X-RateLimit-…), both or none.',
    ),
    ADMIN_TOKENS: text(
      `Tokens that may read and change policies, as a list of name:token or name:token:read. A token has at least ${MIN_TOKEN_LENGTH} characters.`,
      'ops:9f86d081884c7d65,audit:2fcf56a3b1c94e07:read',
    ),
    CHECK_TOKENS: text(
      `Tokens that may check, as a list of name:token. A token has at least ${MIN_TOKEN_LENGTH} characters. Unset: everybody may check.`,
      'gateway:60303ae22b998861',
    ),
    ADMIN_CAPACITY: integer(2000, 1, MAX_COUNT, 'Burst of admin calls, per token and per client address.'),
    ADMIN_REFILL_PER_SECOND: integer(1000, 1, MAX_COUNT, 'Admin calls per second, per token and per client address.'),
    TRUST_PROXY: text(
      'Proxies whose X-Forwarded-For names the client: a list of addresses, networks, loopback, linklocal or uniquelocal.',
      'loopback,10.0.0.0/8',
    ),
    MAX_WAITING_CHECKS: integer(
      10_000,
      1,
      1_000_000,
      'Checks that may wait for the bucket store in one process; more get 503 overloaded.',
    ),
    EVENT_LOOP_LAG_MS: integer(
      500,
      1,
      60_000,
      'Event loop lag of a process, in ms, above which requests get 503 overloaded.',
    ),
    COMMAND_RETENTION_MS: integer(86_400_000, 1000, MAX_TIMER_MS, 'How long the outcome of a command is kept, in ms.'),
    CONFIG_LOG_KEEP: Type.String({
      default: 'all',
      pattern: '^(all|[1-9][0-9]{0,8})$',
      rule: 'be all, or an integer between 1 and 999999999',
      description: 'Events kept per partition before older ones are compacted: a number, or all.',
      examples: ['100000'],
    }),
    IMPORT_MAX_BYTES: integer(268_435_456, 1, MAX_IMPORT_BYTES, 'Largest import, in bytes.'),
    DENIALS_KEPT: integer(100_000, 1, 10_000_000, 'Sampled denials that are kept for /denials, the newest ones.'),
    LOG_LEVEL: choice('info', LOG_LEVELS, 'Lowest level logged: fatal, error, warn, info, debug, trace or silent.'),
    LOG_KEYS: choice<KeyStyle>('hash', KEY_STYLES, 'How keys appear in logs: hash, plain or none.'),
    LOG_KEY_SECRET: text(
      'Secret with which keys in logs are hashed. Unset: a random one at each start.',
      'a-long-random-string',
    ),
    OTEL_EXPORTER_OTLP_ENDPOINT: text(
      "OpenTelemetry collector that traces are sent to, over HTTP. Unset: no traces. OpenTelemetry's other variables apply too.",
      'http://127.0.0.1:4318',
    ),
    SHUTDOWN_TIMEOUT_MS: integer(
      10_000,
      100,
      600_000,
      'How long requests in flight may take to finish at a stop, in ms.',
    ),
    KEEP_ALIVE_TIMEOUT_MS: integer(72_000, 1000, 3_600_000, 'How long an idle connection stays open, in ms.'),
    WORKER_METRICS_PORT: integer(9464, 0, 65_535, "Port of a worker's /health and /metrics. 0: none."),
  },
  { additionalProperties: false },
)

/** The example of a setting, for documents. */
export function exampleOf(schema: TSchema): string | undefined {
  return (schema['examples'] as string[] | undefined)?.[0]
}

/** Variables that can be read from a file instead: `NAME_FILE` holds its path. */
export const FILE_VARIABLES = [
  'REDIS_URL',
  'CONFIG_REDIS_URL',
  'SENTINEL_PASSWORD',
  'ADMIN_TOKENS',
  'CHECK_TOKENS',
] as const
