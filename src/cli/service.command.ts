import type { CliCommand } from './command.ts'

const VARIABLES =
  'Settings are variables of the environment, or of .env in the working directory; .env.example lists them. If any are invalid, it exits with 1.'

/** A command that is one of the service's entries, in this very process. */
function serviceCommand(summary: string, entry: string): CliCommand {
  return {
    arguments: '',
    summary,
    details: VARIABLES,
    run: async () => {
      await import(new URL(entry, import.meta.url).href)
      return new Promise(() => undefined)
    },
  }
}

export const startCommand = serviceCommand('runs the whole service on this machine', '../main.js')
export const apiCommand = serviceCommand('runs the front alone; needs REDIS_URL', '../cluster.js')
export const workerCommand = serviceCommand('runs one config worker; needs REDIS_URL', '../../workers/config.worker.js')
