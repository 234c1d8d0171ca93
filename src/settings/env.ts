/** The only reader of the environment. Reads it once, and reports all faults together. */
import { randomBytes } from 'node:crypto'
import type { Static, TObject, TSchema } from '@sinclair/typebox'
import { Ajv } from 'ajv'
import { policyFaults } from '../domain/policy.ts'
import { CHECKED_SCHEMAS } from '../lib/checked-schemas.ts'
import { OperatorError } from '../lib/operator-error.ts'
import { EnvSchema, FILE_VARIABLES } from './env.schema.ts'
import { fault } from './fault.ts'
import { hostFaults } from './host.ts'
import { readSettingFile } from './read-setting-file.ts'
import { readTlsFiles, type TlsFiles } from './redis-tls.ts'
import { redisUrlFaults } from './redis-url.ts'
import { ADMIN_TOKENS, CHECK_TOKENS, readTokens, sharedTokenFaults, type Token } from './token.ts'
import { readTracing, type TracingSettings } from './tracing.ts'
import { readTrustedProxies } from './trusted-proxies.ts'

const NOTHING = 'nothing'
const NO_PATH = 'a value that begins with no "/", "./" or "../", which is not shown, since it may be a secret'

/** Removes the variables that are not settings. Its code runs once, so optimizing it would take longer than running it. */
const ajv = new Ajv({
  ...CHECKED_SCHEMAS,
  allErrors: true,
  removeAdditional: true,
  useDefaults: true,
  coerceTypes: true,
  keywords: ['rule'],
  code: { optimize: false },
})

type Variables = Readonly<Record<string, string | undefined>>

/** The variables as the schema validates them. */
type Parsed = Static<typeof EnvSchema>

export interface Env extends Omit<Parsed, 'ADMIN_TOKENS' | 'CHECK_TOKENS' | 'CONFIG_LOG_KEEP' | 'TRUST_PROXY'> {
  readonly ADMIN_TOKENS: readonly Token[]
  readonly CHECK_TOKENS: readonly Token[]
  /** `undefined`: all. */
  readonly CONFIG_LOG_KEEP: number | undefined
  /** The contents of `REDIS_TLS_CA`, `REDIS_TLS_CERT` and `REDIS_TLS_KEY`. */
  readonly redisTls: TlsFiles
  readonly TRUST_PROXY: readonly string[]
  readonly LOG_KEY_SECRET: string
  /** `undefined`: nothing is traced. */
  readonly tracing: TracingSettings | undefined
}

export interface EnvOptions {
  /** Whether the process cannot fall back on an embedded store. */
  readonly needsRedis: boolean
  /** Whether a front process and a worker both listen on this machine, as `npm start` lets them. */
  readonly listensOnBothPorts?: boolean
}

/** Lists every fault of the settings. */
export class EnvError extends OperatorError {
  constructor(faults: readonly string[]) {
    super(`Invalid settings:\n${faults.map(line => `  ${line}`).join('\n')}`)
  }
}

/** @throws {EnvError} */
export function readEnv(options: EnvOptions, variables: Variables = process.env): Env {
  const faults: string[] = []
  const given = withFiles(withoutEmpty(variables), faults)
  const env = parse(given, faults)
  faults.push(...urlFaults(given, variables), ...storeFaults(given, options))
  if (env !== undefined) faults.push(...portFaults(env, options))
  const redisTls = readTlsFiles(given, faults)
  const adminTokens = readTokens(ADMIN_TOKENS, given['ADMIN_TOKENS'], faults)
  const checkTokens = readTokens(CHECK_TOKENS, given['CHECK_TOKENS'], faults)
  faults.push(...sharedTokenFaults(adminTokens, checkTokens), ...hostFaults(given))
  const tracing = readTracing(given, faults)
  const trustedProxies = readTrustedProxies(given['TRUST_PROXY'], faults)
  if (env !== undefined) faults.push(...builtInFaults(env))
  if (env === undefined || faults.length > 0) throw new EnvError(faults.map(line => withSource(line, variables)))
  return {
    ...env,
    redisTls,
    ADMIN_TOKENS: adminTokens,
    CHECK_TOKENS: checkTokens,
    CONFIG_LOG_KEEP: env.CONFIG_LOG_KEEP === 'all' ? undefined : Number(env.CONFIG_LOG_KEEP),
    TRUST_PROXY: trustedProxies,
    tracing,
    LOG_KEY_SECRET: env.LOG_KEY_SECRET ?? randomBytes(32).toString('hex'),
  }
}

/** The environment of a child process: that of this process, with some variables replaced. */
export function childVariables(overrides: Variables): NodeJS.ProcessEnv {
  return { ...process.env, ...overrides }
}

/** The token with which `throttler --url` calls the service. */
export function commandLineToken(): string | undefined {
  return process.env['THROTTLER_TOKEN'] || undefined
}

/** Whether npm started this process, which then stops when npm dies. */
export function isRunByNpm(): boolean {
  return process.env['npm_lifecycle_event'] !== undefined
}

function withoutEmpty(variables: Variables): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).filter((entry): entry is [string, string] => !!entry[1]))
}

function withFiles(given: Record<string, string>, faults: string[]): Record<string, string> {
  const merged = { ...given }
  for (const name of FILE_VARIABLES) {
    const fileName = `${name}_FILE`
    const path = given[fileName]
    if (path === undefined) continue
    if (given[name] !== undefined) {
      faults.push(fault(name, `be set directly or by "${fileName}"`, 'both'))
      continue
    }
    try {
      merged[name] = readSettingFile(path).trim()
    } catch (err) {
      faults.push(fault(fileName, 'be the path of a readable file', pathReport(path, err as Error)))
    }
  }
  return merged
}

/** A value that is no path is probably the secret itself, given by mistake. */
function pathReport(path: string, { message }: Error): string {
  return /^\.{0,2}\//.test(path) ? `${JSON.stringify(path)}: ${message}` : `${NO_PATH}: ${message.replace(/,.*/s, '')}`
}

/** Names the variable of the file that a setting comes from. */
function withSource(fault: string, variables: Variables): string {
  const name = FILE_VARIABLES.find(name => fault.startsWith(`"${name}" `))
  return name === undefined || variables[name] || !variables[`${name}_FILE`]
    ? fault
    : fault.replace(`"${name}"`, `"${name}", read from "${name}_FILE",`)
}

function parse(given: Record<string, string>, faults: string[]): Parsed | undefined {
  const env: unknown = withStrictIntegers(given)
  if (ajv.validate<Parsed>(EnvSchema, env)) return env
  for (const { instancePath } of ajv.errors ?? []) faults.push(schemaFault(instancePath.slice(1), given))
  return undefined
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

function schemaFault(name: string, given: Record<string, string>): string {
  const schema = (EnvSchema as TObject).properties[name] as TSchema
  return fault(name, ruleOf(schema), JSON.stringify(given[name]))
}

function ruleOf(schema: TSchema): string {
  if (schema['enum']) return `be one of ${(schema['enum'] as string[]).join(', ')}`
  if (schema['type'] === 'integer') return `be an integer between ${schema['minimum']} and ${schema['maximum']}`
  return String(schema['rule'])
}

function urlFaults(given: Variables, variables: Variables): string[] {
  return ['REDIS_URL', 'CONFIG_REDIS_URL'].flatMap(name => redisUrlFaults(name, given[name], !variables[name]))
}

function storeFaults({ REDIS_URL, CONFIG_REDIS_URL }: Variables, { needsRedis }: EnvOptions): string[] {
  if (REDIS_URL !== undefined) return []
  if (CONFIG_REDIS_URL !== undefined) return [fault('REDIS_URL', 'be set if "CONFIG_REDIS_URL" is', NOTHING)]
  if (needsRedis) return [fault('REDIS_URL', 'be set, because only `npm start` runs an embedded store', NOTHING)]
  return []
}

/** Servers of one machine need ports of their own. */
function portFaults(env: Parsed, { listensOnBothPorts = false }: EnvOptions): string[] {
  const names = [
    'PORT',
    'RESP_PORT',
    'GRPC_PORT',
    ...(listensOnBothPorts ? (['WORKER_METRICS_PORT'] as const) : []),
  ] as const
  return names.flatMap((name, i) => {
    const earlier = names.slice(0, i).find(other => env[name] !== 0 && env[other] === env[name])
    if (earlier === undefined || env[name] === undefined) return []
    return [fault(name, `be another port than "${earlier}"`, `${env[name]} for both`)]
  })
}

function builtInFaults(env: BuiltIn): string[] {
  const { DEFAULT_CAPACITY, DEFAULT_REFILL_TOKENS, DEFAULT_REFILL_INTERVAL_MS } = env
  return policyFaults(builtInDefinition(env)).map(({ message }) =>
    fault(
      'DEFAULT_CAPACITY',
      'be small enough for "DEFAULT_REFILL_TOKENS" and "DEFAULT_REFILL_INTERVAL_MS"',
      `${DEFAULT_CAPACITY}, ${DEFAULT_REFILL_TOKENS} and ${DEFAULT_REFILL_INTERVAL_MS}: ${message}`,
    ),
  )
}

type BuiltIn = Pick<Parsed, 'DEFAULT_CAPACITY' | 'DEFAULT_REFILL_TOKENS' | 'DEFAULT_REFILL_INTERVAL_MS'>

/** The policy for keys that match no stored policy. */
export function builtInDefinition(env: BuiltIn) {
  const limit = {
    name: 'default',
    capacity: env.DEFAULT_CAPACITY,
    refillTokens: env.DEFAULT_REFILL_TOKENS,
    refillIntervalMs: env.DEFAULT_REFILL_INTERVAL_MS,
  }
  return { limits: [limit], mode: 'enforce' as const }
}
