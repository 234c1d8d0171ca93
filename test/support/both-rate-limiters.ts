import { expect } from '@jest/globals'
import { policyMembers } from '../../src/domain/policy.ts'
import { readConfigFile } from '../../src/ratelimit-config/config-file.ts'
import { type Translation, translate } from '../../src/ratelimit-config/translate.ts'
import { AnswerComparison } from './answer-comparison.ts'
import { Client } from './client.ts'
import type { GeneratedRequest } from './generated-rate-limits.ts'
import { RateLimitCaller } from './rate-limit-answers.ts'
import { RedisServer } from './redis-server.ts'
import type { Configs, ReferenceService } from './reference-service.ts'
import { Service } from './service.ts'

/** A running Throttler and a running reference, with the same configuration and one Redis. */
export class BothServices {
  readonly translation: Translation
  readonly there: RateLimitCaller
  readonly here: RateLimitCaller
  readonly #stops: readonly (() => unknown)[]

  private constructor(
    translation: Translation,
    callers: { there: RateLimitCaller; here: RateLimitCaller },
    stops: readonly (() => unknown)[],
  ) {
    this.translation = translation
    this.there = callers.there
    this.here = callers.here
    this.#stops = stops
  }

  static async start(reference: ReferenceService, configs: Configs): Promise<BothServices> {
    const translation = translate(Object.entries(configs).map(([file, text]) => readConfigFile(file, text)))
    const redis = await RedisServer.start()
    const env = { REDIS_URL: redis.url, GRPC_PORT: '0', RATELIMIT_HEADERS: 'legacy' }
    const service = await Service.start({ isPatient: true, env })
    const peer = await reference.start(configs, redis.port)
    const lines = translation.policies.map(({ key, policy }) => JSON.stringify({ key, ...policyMembers(policy) }))
    const headers = { 'content-type': 'application/x-ndjson', prefer: 'wait=60' }
    const imported = await new Client(service.url).request('POST', '/config/import', `${lines.join('\n')}\n`, headers)
    expect([imported.status, imported.body]).toEqual([200, expect.objectContaining({ created: lines.length })])
    const there = new RateLimitCaller({
      grpcPort: peer.at('gRPC').port,
      url: `http://127.0.0.1:${peer.at('HTTP').port}`,
    })
    const here = new RateLimitCaller({ grpcPort: service.grpcPort, url: service.url })
    const stops = [() => there.close(), () => here.close(), peer.stop, () => service.stop(), () => redis.stop()]
    return new BothServices(translation, { there, here }, stops)
  }

  /** Sends each list of requests to both, one after another, and all lists at the same time. A tenth of them are JSON. */
  async compare(lists: readonly (readonly GeneratedRequest[])[]): Promise<AnswerComparison> {
    const comparison = new AnswerComparison(this.translation)
    const sendAll = async (requests: readonly GeneratedRequest[]) => {
      for (const [index, request] of requests.entries()) {
        const sentAt = performance.now()
        const [there, here] = await this.ask(request, index % 10 === 0 ? 'JSON' : 'gRPC')
        comparison.add({ request, there, here, seconds: (performance.now() - sentAt) / 1_000 })
      }
    }
    await Promise.all(lists.map(sendAll))
    return comparison
  }

  ask(request: GeneratedRequest, protocol: 'gRPC' | 'JSON' = 'gRPC') {
    return Promise.all([this.there.ask(request, protocol), this.here.ask(request, protocol)])
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) await stop()
  }
}
