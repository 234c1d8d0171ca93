/** The only reader of the environment: read once, with all faults in one report. */
import { randomBytes } from 'node:crypto'
import type { Static, TObject, TSchema } from '@sinclair/typebox'
import type { Ajv, ErrorObject } from 'ajv'
import { envSchema } from 'env-schema'
import { policyFaults } from '../domain/policy.ts'
import { isLoopbackHost } from '../lib/loopback-hosts.ts'
import { OperatorError } from '../lib/operator-error.ts'
import { EnvSchema, FILE_VARIABLES, TRUSTABLE } from './env.schema.ts'
import { readSettingFile } from './read-setting-file.ts'
import { readTlsFiles, type TlsFiles } from './redis-tls.ts'
import { ALLOWED_REDIS_URLS, parseRedisUrl, RedisUrlFault, withoutLogin } from './redis-url.ts'
import type { Token } from './token.ts'
import { isTrustable } from './trusted-proxies.ts'

const URL_VARIABLES = ['REDIS_URL', 'CONFIG_REDIS_URL'] as const

type Variables = Readonly<Record<string, string | undefined>>

/** The variables as the schema takes them. */
type Parsed = Static<typeof EnvSchema>

export interface Env extends Omit<Parsed, 'ADMIN_TOKENS' | 'CHECK_TOKENS' | 'CONFIG_LOG_KEEP' | 'TRUST_PROXY'> {
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
export class EnvError extends OperatorError {
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
      merged[name] = readSettingFile(path).trim()
    } catch (err) {
      faults.push(`${name}_FILE was ${JSON.stringify(path)}, which cannot be read: ${(err as Error).message}`)
    }
  }
  return merged
}

function parse(given: Record<string, string>, faults: string[]): Parsed | undefined {
  try {
    const ajv = { customOptions: (ajv: Ajv) => ajv.addVocabulary(['allowed', 'secret']) }
    return envSchema<Parsed>({ schema: EnvSchema, data: withStrictIntegers(given), env: false, ajv })
  } catch (err) {
    const errors = (err as { errors?: ErrorObject[] }).errors
    if (errors === undefined) throw err
    faults.push(...errors.map(({ instancePath }) => describe(instancePath.slice(1), given)))
    return undefined
  }
}

/** JavaScript, and so ajv, would also read " 2", 0x50 and 1e3 as integers. */
function withStrictIntegers(given: Record<string, string>): Record<string, string | number> {
  const { properties } = EnvSchema as TObject
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => {
      const isRefused = properties[name]?.['type'] === 'integer' && !/^[0-9]+$/.test(value)
      return [name, isRefused ? Number.NaN : value]
    }),
  )
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
function crossFaults(env: Parsed, { needsRedis }: EnvOptions): string[] {
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

type BuiltIn = Pick<Parsed, 'DEFAULT_CAPACITY' | 'DEFAULT_REFILL_TOKENS' | 'DEFAULT_REFILL_INTERVAL_MS'>

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
