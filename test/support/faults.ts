import type { Redis } from 'ioredis'
import type { Service } from './service.ts'

/** Ends every connection of a server but the one that asks for it. */
export async function killConnections(admin: Redis): Promise<void> {
  for (const type of ['normal', 'pubsub']) await admin.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes')
}

/** Ends a worker of the service without a chance to end what it does. */
export function killWorker(service: Service): void {
  for (const pid of service.pidsOf('throttler worker').slice(0, 1)) process.kill(pid, 'SIGKILL')
}
