import type { Redis } from 'ioredis'
import type { Service } from './service.ts'

/** Ends every connection of a server except the one that requests this. */
export async function killConnections(admin: Redis): Promise<void> {
  for (const type of ['normal', 'pubsub']) await admin.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes')
}

/** Kills a worker of the service, which cannot finish its work. */
export function killWorker(service: Service): void {
  for (const pid of service.pidsOf('throttler worker').slice(0, 1)) process.kill(pid, 'SIGKILL')
}
