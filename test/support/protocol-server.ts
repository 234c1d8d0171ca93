import type { AddressInfo, Server } from 'node:net'
import { pino } from 'pino'
import { Callers } from '../../src/access/callers.ts'
import { BatchTurns } from '../../src/check/batch-turns.ts'
import type { Checker } from '../../src/check/checker.ts'
import { ConnectionSlots } from '../../src/connections/connection-slots.ts'
import { listenOn } from '../../src/connections/forwarding-listener.ts'
import { heldMemory } from '../../src/connections/held-memory.ts'
import { LargeRequests } from '../../src/connections/large-requests.ts'
import type { SharedBound } from '../../src/connections/shared-bound.ts'
import { faultFields } from '../../src/lib/operator-error.ts'
import { CallLog } from '../../src/observability/call-log.ts'
import type { Logger } from '../../src/observability/logger.ts'

/** The part of a checker that protocols call. */
export type TestChecker = Pick<Checker, 'check' | 'checkAll'>

/** What every protocol needs: callers need no token, and nothing is logged. */
export interface Shared {
  readonly checker: Checker
  readonly batchTurns: BatchTurns
  readonly callers: Callers
  readonly calls: CallLog
  readonly logger: Logger
  readonly isOverloaded: () => boolean
  readonly slots: ConnectionSlots
  readonly memory: SharedBound
  readonly largeRequests: LargeRequests
  readonly drain: AbortSignal
  readonly stop: AbortSignal
}

interface ProtocolServer {
  createListener(): Server
  close(answeringMs: number, arrivedMs: number): Promise<void>
}

/** The server of a protocol with a checker of the test's. */
export class TestProtocolServer {
  readonly #drain = new AbortController()
  readonly #server: ProtocolServer
  readonly #listener: Server

  constructor(checker: TestChecker, build: (shared: Shared) => ProtocolServer, maxConnections = 10_000) {
    const limits = { adminCall: async () => 0, failedLogin: async () => 0 }
    const logger = pino({ level: 'silent' })
    this.#server = build({
      checker: checker as Checker,
      batchTurns: new BatchTurns(10_000),
      callers: new Callers({ adminTokens: [], checkTokens: [], limits }),
      calls: new CallLog({ logger, loggedKey: key => key, causeFields: faultFields }),
      logger,
      isOverloaded: () => false,
      slots: new ConnectionSlots({ max: maxConnections, onClosed: () => undefined }),
      memory: heldMemory(),
      largeRequests: new LargeRequests(this.#drain.signal),
      drain: this.#drain.signal,
      stop: this.#drain.signal,
    })
    this.#listener = this.#server.createListener()
  }

  protected listen(): Promise<unknown> {
    return listenOn(this.#listener, '127.0.0.1', 0)
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

  async close(answeringMs = 0, arrivedMs = 0): Promise<void> {
    this.#listener.close()
    await this.#server.close(answeringMs, arrivedMs)
  }
}
