import { policyMembers } from '../domain/policy.ts'
import { type ConfigFile, readConfigFile } from '../ratelimit-config/config-file.ts'
import type { Finding } from '../ratelimit-config/finding.ts'
import { InvalidConfig } from '../ratelimit-config/invalid-config.ts'
import { translate } from '../ratelimit-config/translate.ts'
import type { CliCommand } from './command.ts'
import { ExitCode } from './exit-code.ts'
import { readWhole } from './input-file.ts'
import { jsonLine } from './output.ts'
import { printable } from './printable.ts'

/** Room for more than 150,000 descriptors. The parser of YAML takes more than a hundred times the size of a file. */
const MAX_CONFIG_BYTES = 16_777_216

export const translateRatelimitConfigCommand: CliCommand = {
  arguments: 'FILE…',
  summary: 'writes policies for the configuration of an envoyproxy/ratelimit',
  details: `Reads the files (- for standard input) and writes one policy per line to standard output, as \`throttler import\` reads them. A limit per
second becomes a token bucket, any other a quota in UTC; requests_per_unit: 0 becomes the mode block; what is unlimited, or has no
limit, the mode off; shadow_mode the mode shadow. Files can share a domain.

Standard error names everything that is decided differently, by the file and the key of the policy, and once per file what applies to all of
its limits. Exit code 1 if a descriptor is decided differently or left out. If a file is not a valid configuration, nothing is written.`,
  operands: { min: 1, max: Number.POSITIVE_INFINITY },
  run: async (_values, paths) => {
    const files: ConfigFile[] = []
    for (const path of paths) files.push(await readConfig(path))
    const { policies, findings } = translate(files)
    for (const finding of findings) process.stderr.write(findingText(finding))
    process.stdout.write(policies.map(({ key, policy }) => jsonLine({ key, ...policyMembers(policy) })).join(''))
    return findings.some(({ isDifference }) => isDifference) ? ExitCode.found : ExitCode.ok
  },
}

async function readConfig(path: string): Promise<ConfigFile> {
  const bytes = await readWhole(path, MAX_CONFIG_BYTES)
  if (bytes === undefined) throw new InvalidConfig(`${path}: must have at most ${MAX_CONFIG_BYTES} bytes`)
  return readConfigFile(path, bytes.toString())
}

function findingText({ file, configKey, detail }: Finding): string {
  const about = configKey === undefined ? file : `${file}: ${configKey}`
  return `${printable(`${about}: ${detail}`)}\n`
}
