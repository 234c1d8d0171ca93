import type { AddressInfo, Server } from 'node:net'
import { pino } from 'pino'
import { Callers } from '../../src/access/callers.ts'
import { BatchTurns } from '../../src/check/batch-turns.ts'
import type { Checker } from '../../src/check/checker.ts'
import { RateLimitService } from '../../src/check/envoy/rate-limit-service.ts'
import { RequestPolicies } from '../../src/check/request-policies.ts'
import { ConnectionSlots } from '../../src/connections/connection-slots.ts'
import { listenOn } from '../../src/connections/forwarding-listener.ts'
import { PolicyTable } from '../../src/domain/policy-table.ts'
import { buildGrpcServer } from '../../src/front/grpc-server.ts'
import type { GrpcServer } from '../../src/grpc/grpc-server.ts'
import { CallLog } from '../../src/observability/call-log.ts'
import { policyOf } from './policies.ts'

/** The config key of the one policy. */
export const STORED = 'rls;edge;a'

/** The server of gRPC with a checker of the test's, and one policy. */
export class TestGrpcServer {
  /** The methods and statuses of the calls that were answered. */
  readonly answered: string[] = []
  readonly #drain = new AbortController()
  readonly #server: GrpcServer
  readonly #listener: Server

  private constructor(checker: Pick<Checker, 'check' | 'checkAll'>) {
    const policies = new PolicyTable(policyOf('default'))
    policies.set(STORED, 1, policyOf(STORED).definition)
    const limits = { adminCall: async () => 0, failedLogin: async () => 0 }
    const service = new RateLimitService({
      checker: checker as Checker,
      policies,
      requestPolicies: new RequestPolicies(policies),
      batchTurns: new BatchTurns(10_000),
      fieldStyle: 'none',
    })
    this.#server = buildGrpcServer({
      service,
      callers: new Callers({ adminTokens: [], checkTokens: [], limits }),
      calls: new CallLog({ logger: pino({ level: 'silent' }), loggedKey: key => key }),
      isOverloaded: () => false,
      observer: { callAnswered: (method, status) => void this.answered.push(`${method} ${status}`) },
      slots: new ConnectionSlots({ max: 10_000, onRefused: () => undefined }),
      drain: this.#drain.signal,
    })
    this.#listener = this.#server.createListener()
  }

  static async start(checker: Pick<Checker, 'check' | 'checkAll'>): Promise<TestGrpcServer> {
    const server = new TestGrpcServer(checker)
    await listenOn(server.#listener, '127.0.0.1', 0)
    return server
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port
  }

  connections(): Promise<number> {
    return new Promise(resolve => this.#listener.getConnections((_err, count) => resolve(count)))
  }

  drain(): void {
    this.#drain.abort()
  }

  async close(): Promise<void> {
    this.#listener.close()
    await this.#server.close()
  }
}
