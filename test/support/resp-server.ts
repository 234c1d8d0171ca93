import { weightOf } from '../../src/check/check-weight.ts'
import type { AskedCheck, OnResult } from '../../src/check/pending-check.ts'
import { RequestPolicies } from '../../src/check/request-policies.ts'
import { decideByMode } from '../../src/domain/decision.ts'
import { PolicyTable } from '../../src/domain/policy-table.ts'
import { buildRespServer } from '../../src/front/resp-server.ts'
import { policyOf } from './policies.ts'
import { type TestChecker, TestProtocolServer } from './protocol-server.ts'

const OFF = policyOf('default', { mode: 'off' })

/** A checker that allows everything: at once, or when the test says so. */
export class HeldChecker {
  isHolding = false
  decided = 0
  readonly #held: (() => void)[] = []

  readonly weigh = weightOf

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
export class TestRespServer extends TestProtocolServer {
  private constructor(checker: TestChecker) {
    const requestPolicies = new RequestPolicies(new PolicyTable(OFF))
    const observer = { commandAnswered: () => undefined }
    super(checker, shared => buildRespServer({ ...shared, requestPolicies, observer, version: '0' }))
  }

  static async start(checker: TestChecker): Promise<TestRespServer> {
    const server = new TestRespServer(checker)
    await server.listen()
    return server
  }
}
