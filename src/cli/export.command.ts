import { exportLines } from '../config-change/import/export-lines.ts'
import { RedisPolicyReader } from '../redis/policies/policy-reader.ts'
import { SERVICE_HELP, SERVICE_OPTIONS } from './backend-options.ts'
import type { CliCommand } from './command.ts'
import { ExitCode } from './exit-code.ts'
import type { ServiceClient } from './http/client.ts'
import { exportTo } from './http/export-to.ts'
import { writeParts } from './output.ts'
import { TerminalProgress } from './progress.ts'
import { serviceClient } from './with-backend.ts'
import { withPolicyStore } from './with-policy-store.ts'

export const exportCommand: CliCommand = {
  arguments: '[--url URL [--token-file FILE]] > FILE',
  summary: 'writes every policy to standard output, one per line',
  details: `${SERVICE_HELP}

In byte order of the keys, like \`GET /config/export\`. Exit code 1 if damaged policies were left out; \`throttler rebuild\`
restores them.`,
  options: SERVICE_OPTIONS,
  run: async values => {
    const client = serviceClient(values)
    return client === undefined ? exportFromStore() : exportFromService(client)
  },
}

async function exportFromService(client: ServiceClient): Promise<ExitCode> {
  const progress = new TerminalProgress('bytes')
  try {
    await exportTo(process.stdout, client, bytes => progress.advanced(bytes))
  } finally {
    progress.clear()
  }
  return ExitCode.ok
}

function exportFromStore(): Promise<ExitCode> {
  return withPolicyStore(async ({ redis, env }) => {
    const progress = new TerminalProgress('policies')
    const damaged: string[] = []
    const reader = new RedisPolicyReader(redis, env.KEY_PREFIX, key => damaged.push(key))
    await writeParts(exportLines(reader, lines => progress.advanced(lines)))
    progress.clear()
    for (const key of damaged) {
      process.stderr.write(`the policy of ${JSON.stringify(key)} is damaged and was left out\n`)
    }
    return damaged.length === 0 ? ExitCode.ok : ExitCode.found
  })
}
