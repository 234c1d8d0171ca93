import { Server, ServerCredentials } from '@grpc/grpc-js'
import { decodeRequest } from '../../src/check/envoy/rate-limit-request.ts'
import { encodeResponse, type RateLimitResponse } from '../../src/check/envoy/rate-limit-response.ts'
import { SHOULD_RATE_LIMIT } from '../../src/check/envoy/should-rate-limit.ts'
import { LIMIT } from '../policy.ts'

const ANSWER: RateLimitResponse = {
  overallCode: 'OK',
  statuses: [
    {
      code: 'OK',
      currentLimit: { name: LIMIT.name, requestsPerUnit: LIMIT.capacity, unit: 'UNKNOWN' },
      limitRemaining: LIMIT.capacity - 1,
      resetAfterMs: 1_000,
    },
  ],
  headers: [
    { key: 'ratelimit-policy', value: `"${LIMIT.name}";q=${LIMIT.capacity};w=${LIMIT.capacity}` },
    { key: 'ratelimit', value: `"${LIMIT.name}";r=${LIMIT.capacity - 1};t=1` },
  ],
}

const METHOD = {
  path: SHOULD_RATE_LIMIT,
  requestStream: false,
  responseStream: false,
  requestDeserialize: decodeRequest,
  responseSerialize: encodeResponse,
  // A client's part, which a server does not use.
  requestSerialize: () => Buffer.alloc(0),
  responseDeserialize: () => ANSWER,
} as const

/** What the official library for gRPC alone costs: the same request, the same answer, and nothing in between. Resolves with its port. */
export function grpcJsServer(): Promise<number> {
  const server = new Server()
  server.addService(
    { ShouldRateLimit: METHOD },
    { ShouldRateLimit: (_call: unknown, answer: Answer) => answer(null, ANSWER) },
  )
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (err, port) =>
      err ? reject(err) : resolve(port),
    )
  })
}

type Answer = (err: null, answer: RateLimitResponse) => void
