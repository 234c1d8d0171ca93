import { Counter, type Registry } from 'prom-client'

/** Counts connections that were closed because there were too many. The primary has them before a front process does. */
export function refusedConnections(registry: Registry): Counter {
  return new Counter({
    name: 'throttler_connections_refused_total',
    help: 'Connections closed because there were too many: new ones, or idle ones in their place',
    registers: [registry],
  })
}
