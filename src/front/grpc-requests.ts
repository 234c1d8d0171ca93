import { Counter, type Registry } from 'prom-client'
import type { GrpcObserver } from '../grpc/call.ts'
import type { StatusName } from '../grpc/status.ts'

/** Counts calls over gRPC in plain numbers, and adds them to Prometheus' counter at a scrape, as `CheckCounter` does. */
export class GrpcRequests implements GrpcObserver {
  /** Since the last scrape, by method and status. */
  readonly #counts = new Map<string, Map<StatusName, number>>()

  constructor(registry: Registry) {
    const counts = this.#counts
    new Counter({
      name: 'throttler_grpc_requests_total',
      help: 'Calls answered over gRPC, by method and status',
      labelNames: ['method', 'status'],
      registers: [registry],
      collect() {
        for (const [method, byStatus] of counts) {
          for (const [status, count] of byStatus) this.inc({ method, status }, count)
        }
        counts.clear()
      },
    })
  }

  callAnswered(method: string, status: StatusName): void {
    const byStatus = this.#counts.get(method) ?? new Map<StatusName, number>()
    this.#counts.set(method, byStatus)
    byStatus.set(status, (byStatus.get(status) ?? 0) + 1)
  }
}
