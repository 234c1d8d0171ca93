import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { exportLines } from '../config-change/import/export-lines.ts'
import { RedisPolicyReader } from '../redis/policies/policy-reader.ts'
import type { CliCommand } from './command.ts'
import { ExitCode } from './exit-code.ts'
import { TerminalProgress } from './progress.ts'
import { withPolicyStore } from './with-policy-store.ts'

export const exportCommand: CliCommand = {
  arguments: '> FILE',
  summary: 'writes every policy to standard output, one per line',
  details: `In byte order of the keys, like \`GET /config/export\`. Exit code 1 if damaged policies were left out; \`throttler rebuild\`
restores them.`,
  run: () =>
    withPolicyStore(async ({ redis, env }) => {
      const progress = new TerminalProgress('policies')
      const damaged: string[] = []
      const reader = new RedisPolicyReader(redis, env.KEY_PREFIX, key => damaged.push(key))
      await pipeline(Readable.from(exportLines(reader, lines => progress.advanced(lines))), process.stdout, {
        end: false,
      })
      progress.clear()
      for (const key of damaged) {
        process.stderr.write(`the policy of ${JSON.stringify(key)} is damaged and was left out\n`)
      }
      return damaged.length === 0 ? ExitCode.ok : ExitCode.found
    }),
}
