/** Runs one of the small servers that the service is compared with: `serve.js NAME REDIS_URL`. */
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { evalshaServer } from './evalsha.server.ts'
import { fastifyRateLimitServer } from './fastify-rate-limit.server.ts'
import { floorServer } from './floor.server.ts'
import { rateLimiterFlexibleServer } from './rate-limiter-flexible.server.ts'

const SERVERS: Readonly<Record<string, (redisUrl: string) => Promise<FastifyInstance>>> = {
  floor: floorServer,
  'evalsha-per-check': evalshaServer,
  'rate-limiter-flexible': rateLimiterFlexibleServer,
  'fastify-rate-limit': fastifyRateLimitServer,
}

const [name = '', redisUrl = ''] = process.argv.slice(2)
const build = SERVERS[name]
if (build === undefined) throw new Error(`there is no server "${name}"; there are ${Object.keys(SERVERS).join(', ')}`)

process.title = `throttler-bench ${name}`
process.on('disconnect', () => process.exit())
const app = await build(redisUrl)
await app.listen({ host: '127.0.0.1', port: 0 })
process.send?.((app.server.address() as AddressInfo).port)
