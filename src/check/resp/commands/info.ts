import type { Command } from '../command.ts'
import { bulk } from '../replies.ts'

/** `INFO`: what clients look for, above all that the server is not loading. Sections are not told apart. */
export function info(version: string): Command {
  return {
    name: 'info',
    arity: -1,
    run: () => {
      const uptimeSeconds = Math.floor(process.uptime())
      const lines = [
        '# Server',
        'server_name:throttler',
        `throttler_version:${version}`,
        'redis_mode:standalone',
        `process_id:${process.pid}`,
        `uptime_in_seconds:${uptimeSeconds}`,
        '',
        '# Persistence',
        'loading:0',
        '',
        '# Replication',
        'role:master',
      ]
      return bulk(`${lines.join('\r\n')}\r\n`)
    },
  }
}
