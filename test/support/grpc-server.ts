import { RateLimitService } from '../../src/check/envoy/rate-limit-service.ts'
import { RequestPolicies } from '../../src/check/request-policies.ts'
import { PolicyTable } from '../../src/domain/policy-table.ts'
import { buildGrpcServer } from '../../src/front/grpc-server.ts'
import { policyOf } from './policies.ts'
import { type TestChecker, TestProtocolServer } from './protocol-server.ts'

/** The config key of the one policy. */
export const STORED = 'rls;edge;a'

/** The server of gRPC with a checker of the test's, and one policy. */
export class TestGrpcServer extends TestProtocolServer {
  /** The methods and statuses of the calls that were answered. */
  readonly answered: string[]

  private constructor(checker: TestChecker, maxConnections?: number) {
    const policies = new PolicyTable(policyOf('default'))
    policies.set(STORED, 1, policyOf(STORED).definition)
    const requestPolicies = new RequestPolicies(policies)
    const answered: string[] = []
    const observer = { callAnswered: (method: string, status: string) => void answered.push(`${method} ${status}`) }
    super(
      checker,
      ({ checker, batchTurns, ...shared }) => {
        const service = new RateLimitService({ checker, policies, requestPolicies, batchTurns, fieldStyle: 'none' })
        return buildGrpcServer({ ...shared, service, observer })
      },
      maxConnections,
    )
    this.answered = answered
  }

  static async start(checker: TestChecker, maxConnections?: number): Promise<TestGrpcServer> {
    const server = new TestGrpcServer(checker, maxConnections)
    await server.listen()
    return server
  }
}
