import { EnvSchema } from '../settings/env.schema.ts'
import type { CliCommand } from './command.ts'

const NAME_WIDTH = 28

const SETTINGS = Object.entries(EnvSchema.properties).map(([name, { description, default: byDefault }]) => {
  const suffix = byDefault === undefined ? '' : ` Default: ${byDefault}`
  return `  ${name.padEnd(NAME_WIDTH)}${description}${suffix}`
})

const DETAILS = `Settings are environment variables, or lines of .env in the working directory. If any are invalid, it exits with 1.

${SETTINGS.join('\n')}`

/** A command that runs an entry point of the service in this process. */
function serviceCommand(summary: string, entry: string): CliCommand {
  return {
    arguments: '',
    summary,
    details: DETAILS,
    run: async () => {
      await import(new URL(entry, import.meta.url).href)
      return new Promise(() => undefined)
    },
  }
}

export const startCommand = serviceCommand('runs the whole service on this machine', '../main.js')
export const apiCommand = serviceCommand('runs the front alone; needs REDIS_URL', '../cluster.js')
export const workerCommand = serviceCommand('runs one config worker; needs REDIS_URL', '../../workers/config.worker.js')
