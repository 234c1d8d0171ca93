import { ImportChecker } from '../config-change/import/import-checker.ts'
import { linesOf } from '../config-change/import/ndjson.ts'
import { compilePolicy, DEFAULT_POLICY } from '../domain/policy.ts'
import { resolveThen } from '../domain/temporary-policy.ts'
import { Problem } from '../lib/errors.ts'
import { OperatorError } from '../lib/operator-error.ts'
import { builtInDefinition, readEnv } from '../settings/env.ts'
import { PoliciesOverTime } from '../simulation/policies-over-time.ts'
import { RecordedChecks } from '../simulation/recorded-check.ts'
import { Simulation } from '../simulation/simulation.ts'
import { TrafficCounts } from '../simulation/traffic-counts.ts'
import { textOf } from './backend-options.ts'
import { type CliCommand, UsageError, type Values } from './command.ts'
import { ExitCode } from './exit-code.ts'
import { readInput } from './input-file.ts'
import { JSON_HELP, JSON_OPTION, writeResult } from './output.ts'
import { TerminalProgress } from './progress.ts'
import { readDotenv } from './read-dotenv.ts'
import { type SimulationBody, simulationText } from './simulation-text.ts'
import { TrafficFile } from './traffic-file.ts'

export const simulateCommand: CliCommand = {
  arguments: '--policies FILE --traffic FILE [--strict] [--json]',
  summary: 'decides recorded checks by policies that are not in force, without a service or a store',
  details: `  --policies FILE     one policy per line as \`throttler export\` writes them. Keys without a policy get the built-in one, from
                      DEFAULT_CAPACITY, DEFAULT_REFILL_TOKENS and DEFAULT_REFILL_INTERVAL_MS. - for standard input
  --traffic FILE      one check per line: {"at":"2026-01-31T14:03:00.120Z","key":"user:42","tokens":1,"policy":"plan:gold"}. "at" is
                      an RFC 3339 time or milliseconds (never seconds) since 1970; "tokens" and "policy" may be left out. - for standard
                      input, unless the policies come from there.
                      \`throttler convert-log\` writes such lines from an access log
  --strict            exit code 1 if a line of the traffic is bad, or names a policy that does not exist
${JSON_HELP}

Decides every check as the service would, with "at" as the clock of the store, in the order of the file. Prints for each policy how many
checks it allows and denies, the keys that it denies most, and for each limit the smallest capacity with which it would deny nothing.
Bad lines are named, counted and skipped. Concurrency limits are skipped too: they deny reservations only.`,
  options: {
    ...JSON_OPTION,
    policies: { type: 'string' },
    traffic: { type: 'string' },
    strict: { type: 'boolean' },
  },
  run: async values => {
    const paths = filesOf(values)
    const policies = await readPolicies(paths.policies)
    const file = new TrafficFile(paths.traffic)
    const result = await simulate(policies, file)
    warnOfSeconds(result)
    writeResult(values, result, () => simulationText(result))
    return values['strict'] === true && result.checks < file.lines ? ExitCode.found : ExitCode.ok
  },
}

/** @throws {UsageError} */
function filesOf(values: Values): { policies: string; traffic: string } {
  const policies = fileOf('policies', textOf(values['policies']))
  const traffic = fileOf('traffic', textOf(values['traffic']))
  if (policies === '-' && traffic === '-')
    throw new UsageError('--policies and --traffic must not both be "-": standard input can be read only once')
  return { policies, traffic }
}

/** @throws {UsageError} */
function fileOf(option: string, path: string | undefined): string {
  if (path === undefined || path === '') throw new UsageError(`--${option} FILE is missing`)
  return path
}

class InvalidPolicies extends OperatorError {}

/** @throws {InvalidPolicies} */
async function readPolicies(path: string): Promise<PoliciesOverTime> {
  readDotenv()
  const builtIn = builtInDefinition(readEnv({ needsRedis: false }))
  const policies = new PoliciesOverTime(compilePolicy(DEFAULT_POLICY, 0, builtIn))
  const checker = new ImportChecker()
  const progress = new TerminalProgress('bytes of policies read')
  try {
    for await (const lines of linesOf(readInput(path, progress))) {
      for (const line of lines) {
        const { key, policy } = checker.check(line)
        policies.add(key, resolveThen(policy, null))
      }
    }
  } catch (err) {
    if (!(err instanceof Problem)) throw err
    throw new InvalidPolicies(`${path}: line ${err.members['line']} is invalid: ${err.cause}`)
  } finally {
    progress.clear()
  }
  return policies
}

/** No log is that old. Seconds since 1970, read as milliseconds, are up to here until the year 5138. */
const OLDEST_LOG = '1973-03-03T09:46:40.000Z'

function warnOfSeconds({ to }: SimulationBody): void {
  if (to === null || to >= OLDEST_LOG) return
  process.stderr.write(
    `warning: the last check is at ${to}. If "at" is in seconds since 1970, multiply it by 1000, or use convert-log: numbers are milliseconds\n`,
  )
}

async function simulate(policies: PoliciesOverTime, file: TrafficFile): Promise<SimulationBody> {
  const simulation = new Simulation(policies)
  const recorded = new RecordedChecks()
  const counts = new TrafficCounts()
  for await (const checks of file.map(line => recorded.parse(line))) {
    for (const check of checks) counts.add(check, simulation.check(check))
  }
  const skippedConcurrency = [...policies.withConcurrency]
  return { badLines: file.bad, ...counts.report(), skippedConcurrency, policies: simulation.report() }
}
