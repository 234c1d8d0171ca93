/** Runs one of the small servers that the service is compared with: `serve.js NAME REDIS_URL`. */
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { evalshaServer } from './evalsha.server.ts'
import { fastifyRateLimitServer } from './fastify-rate-limit.server.ts'
import { floorServer } from './floor.server.ts'
import { grpcJsServer } from './grpc-js.server.ts'
import { rateLimiterFlexibleServer } from './rate-limiter-flexible.server.ts'

/** Each starts a server and resolves with its port. */
const SERVERS: Readonly<Record<string, (redisUrl: string) => Promise<number>>> = {
  floor: listening(floorServer),
  'evalsha-per-check': listening(evalshaServer),
  'rate-limiter-flexible': listening(rateLimiterFlexibleServer),
  'fastify-rate-limit': listening(fastifyRateLimitServer),
  'grpc-js': grpcJsServer,
}

function listening(build: (redisUrl: string) => Promise<FastifyInstance>) {
  return async (redisUrl: string) => {
    const app = await build(redisUrl)
    await app.listen({ host: '127.0.0.1', port: 0 })
    return (app.server.address() as AddressInfo).port
  }
}

const [name = '', redisUrl = ''] = process.argv.slice(2)
const start = SERVERS[name]
if (start === undefined) throw new Error(`there is no server "${name}"; there are ${Object.keys(SERVERS).join(', ')}`)

process.title = `throttler-bench ${name}`
process.on('disconnect', () => process.exit())
process.send?.(await start(redisUrl))
