import type { AddressInfo, Server } from 'node:net'
import { pino } from 'pino'
import { Callers } from '../../src/access/callers.ts'
import { BatchTurns } from '../../src/check/batch-turns.ts'
import type { Checker } from '../../src/check/checker.ts'
import type { AskedCheck, OnResult } from '../../src/check/pending-check.ts'
import { RequestPolicies } from '../../src/check/request-policies.ts'
import { ConnectionSlots } from '../../src/connections/connection-slots.ts'
import { listenOn } from '../../src/connections/forwarding-listener.ts'
import type { SocketServer } from '../../src/connections/socket-server.ts'
import { decideByMode } from '../../src/domain/decision.ts'
import { PolicyTable } from '../../src/domain/policy-table.ts'
import { buildRespServer } from '../../src/front/resp-server.ts'
import { CallLog } from '../../src/observability/call-log.ts'
import { policyOf } from './policies.ts'

const OFF = policyOf('default', { mode: 'off' })

/** A checker that allows everything: at once, or when the test says so. */
export class HeldChecker {
  isHolding = false
  decided = 0
  readonly #held: (() => void)[] = []

  readonly check = (asked: AskedCheck, onResult: OnResult): void => this.#decide(asked, onResult, 0)

  readonly checkAll = (asked: readonly AskedCheck[], onResult: OnResult): void => {
    for (const [index, check] of asked.entries()) this.#decide(check, onResult, index)
  }

  get waiting(): number {
    return this.#held.length
  }

  release(): void {
    this.isHolding = false
    for (const decide of this.#held.splice(0)) decide()
  }

  #decide({ key, tokens }: AskedCheck, onResult: OnResult, index: number): void {
    const decide = () => {
      const decision = decideByMode({ key, tokens, policy: OFF })
      this.decided++
      if (decision !== undefined) onResult(decision, 0, index)
    }
    if (this.isHolding) this.#held.push(decide)
    else setImmediate(decide)
  }
}

/** The server of RESP with a checker of the test's. */
export class TestRespServer {
  readonly #drain = new AbortController()
  readonly #server: SocketServer
  readonly #listener: Server

  private constructor(checker: Pick<Checker, 'check' | 'checkAll'>) {
    const stored = new PolicyTable(OFF)
    const limits = { adminCall: async () => 0, failedLogin: async () => 0 }
    const logger = pino({ level: 'silent' })
    this.#server = buildRespServer({
      checker: checker as Checker,
      batchTurns: new BatchTurns(10_000),
      callers: new Callers({ adminTokens: [], checkTokens: [], limits }),
      calls: new CallLog({ logger, loggedKey: key => key }),
      requestPolicies: new RequestPolicies(stored),
      isOverloaded: () => false,
      observer: { commandAnswered: () => undefined },
      slots: new ConnectionSlots({ max: 10_000, onRefused: () => undefined }),
      drain: this.#drain.signal,
      version: '0',
    })
    this.#listener = this.#server.createListener()
  }

  static async start(checker: Pick<Checker, 'check' | 'checkAll'>): Promise<TestRespServer> {
    const server = new TestRespServer(checker)
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
