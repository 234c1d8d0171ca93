import type { PortAdapters } from '../port-suite.ts'
import { InMemoryCommandQueue } from './command-queue.ts'
import { InMemoryIdempotencyStore } from './idempotency-store.ts'
import { InMemoryImportStaging } from './import-staging.ts'
import { InMemoryPolicyStore } from './policy-store.ts'

/** The in-memory adapters of every port of the change flow, over one empty store. */
/** @param now in ms since 1970 */
export function inMemoryPorts(now: () => number = Date.now) {
  const store = new InMemoryPolicyStore(now)
  const staging = new InMemoryImportStaging(store)
  const idempotency = new InMemoryIdempotencyStore()
  const queue = new InMemoryCommandQueue()
  return {
    ...{ reader: store, store, log: store, announcements: store, staging, idempotency, queue },
    lend: async (id, lease) => store.lend(id, lease),
    damagePolicy: async key => store.damagePolicy(key),
    damageClaim: async scope => idempotency.damage(scope),
    replaceLog: async partition => store.replaceLog(partition),
    close: async () => undefined,
  } satisfies PortAdapters
}
