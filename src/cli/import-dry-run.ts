import { dryRunImport, type ImportDryRun } from '../config-change/import/dry-run-import.ts'
import { RedisPolicyReader } from '../redis/policies/policy-reader.ts'
import { readInput } from './input-file.ts'
import type { TerminalProgress } from './progress.ts'
import type { PolicyStoreAccess } from './with-policy-store.ts'

interface DryRunOptions {
  readonly file: string
  readonly prune: string | undefined
}

/** Compares a file with the policies in the store. @throws {Problem} as `dryRunImport` */
export async function dryRun(
  { redis, env }: PolicyStoreAccess,
  { file, prune }: DryRunOptions,
  progress: TerminalProgress,
): Promise<ImportDryRun> {
  const found = await dryRunImport(readInput(file, progress), {
    reader: new RedisPolicyReader(redis, env.KEY_PREFIX),
    at: new Date().toISOString(),
    prune,
    nextTurn: async () => undefined,
  })
  progress.clear()
  return found
}
