import type { Redis } from 'ioredis'

export interface RedisCalls {
  /** Calls of scripts. */
  readonly scripts: number
  /** Every other command; nearly all are called by the scripts. */
  readonly commands: number
}

const SCRIPT_CALLS = new Set(['eval', 'evalsha'])

/** How many commands Redis has run, this question left out. */
export async function redisCalls(redis: Redis): Promise<RedisCalls> {
  let scripts = 0
  let commands = 0
  for (const [, name = '', calls] of (await redis.info('commandstats')).matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)) {
    if (SCRIPT_CALLS.has(name)) scripts += Number(calls)
    else if (name !== 'info') commands += Number(calls)
  }
  return { scripts, commands }
}
