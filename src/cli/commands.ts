import type { CliCommand } from './command.ts'

/**
 * The commands by name, in the order of the help. A command is loaded when it is called: to load what all of them need takes longer than
 * most of them take.
 */
export const COMMANDS: Readonly<Record<string, () => Promise<CliCommand>>> = {
  start: async () => (await import('./service.command.ts')).startCommand,
  api: async () => (await import('./service.command.ts')).apiCommand,
  worker: async () => (await import('./service.command.ts')).workerCommand,
  check: async () => (await import('./check.command.ts')).checkCommand,
  reset: async () => (await import('./reset.command.ts')).resetCommand,
  get: async () => (await import('./get.command.ts')).getCommand,
  set: async () => (await import('./set.command.ts')).setCommand,
  delete: async () => (await import('./delete.command.ts')).deleteCommand,
  history: async () => (await import('./history.command.ts')).historyCommand,
  rollback: async () => (await import('./rollback.command.ts')).rollbackCommand,
  export: async () => (await import('./export.command.ts')).exportCommand,
  import: async () => (await import('./import.command.ts')).importCommand,
  'check-policies': async () => (await import('./check-policies.command.ts')).checkPoliciesCommand,
  simulate: async () => (await import('./simulate.command.ts')).simulateCommand,
  'convert-log': async () => (await import('./convert-log.command.ts')).convertLogCommand,
  'translate-ratelimit-config': async () =>
    (await import('./translate-ratelimit-config.command.ts')).translateRatelimitConfigCommand,
  verify: async () => (await import('./verify.command.ts')).verifyCommand,
  rebuild: async () => (await import('./rebuild.command.ts')).rebuildCommand,
  compact: async () => (await import('./compact.command.ts')).compactCommand,
}
