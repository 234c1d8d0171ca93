import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { describeLongWithRedis } from '../support/describe-with-redis.ts'
import { residentMegabytes } from '../support/processes.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

/** See `Capacity` in docs/operations.md. */
const MAX_MEGABYTES = 300
const MAX_STOP_MS = 3_000

const POLICIES = 15_000
const LINES = Array.from({ length: POLICIES }, (_, i) => {
  const key = `user:${String(i).padStart(5, '0')}`
  return `${JSON.stringify({ key, capacity: 7, refillTokens: 1, description: 'x'.repeat(100) })}\n`
})

const ATTACK_MS = 20_000
const ADDRESSES = 100
const TICK_MS = 5
const PER_TICK = 4
const OPERATOR = '127.0.0.210'
/** Exports of others that are still there come first, one of each address. */
const MAX_EXPORT_MS = 60_000

describeLongWithRedis(
  'exports that a hundred addresses ask for, hundreds of times a second, without another word',
  () => {
    let redis: RedisServer
    let service: Service
    const open = new Set<Socket>()
    beforeAll(async () => {
      redis = await RedisServer.start()
      service = await Service.start({ env: { WEB_CONCURRENCY: '1', REDIS_URL: redis.url }, openFiles: 20_000 })
      const fields = { 'content-type': 'application/x-ndjson', prefer: 'wait=60' }
      const { status } = await new Client(service.url).request('POST', '/config/import', LINES.join(''), fields)
      expect(status).toBe(200)
    }, 90_000)
    afterAll(async () => {
      await service.stop()
      await redis.stop()
    }, 30_000)

    function attack(i: number): void {
      const localAddress = `127.0.0.${1 + (i % ADDRESSES)}`
      const socket = connect({ host: '127.0.0.1', port: Number(new URL(service.url).port), localAddress })
      socket.on('error', () => undefined)
      if (i % 2 === 0) socket.pause()
      else socket.resume()
      socket.end('GET /config/export HTTP/1.1\r\nhost: localhost\r\n\r\n')
      open.add(socket)
      socket.once('close', () => open.delete(socket))
    }

    async function operatorsExport(): Promise<number> {
      const sent = get(`${service.url}/config/export`, { localAddress: OPERATOR, agent: false })
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      return (await text(response)).split('\n').length - 1
    }

    it(
      `take ${MAX_MEGABYTES} MB at most, keep no export from its turn, and delay no stop`,
      async () => {
        const [front = 0] = service.pidsOf('throttler front')
        const endMs = performance.now() + ATTACK_MS
        let most = 0
        let exported: Promise<number> | undefined
        for (let sent = 0; performance.now() < endMs; await sleep(TICK_MS)) {
          for (let i = 0; i < PER_TICK; i++) attack(sent++)
          if (sent % 200 === 0) most = Math.max(most, residentMegabytes(front))
          if (performance.now() > endMs - ATTACK_MS / 2) exported ??= operatorsExport()
        }
        for (const socket of open) socket.destroy()
        expect(await exported).toBe(POLICIES)
        expect(await operatorsExport()).toBe(POLICIES)
        most = Math.max(most, residentMegabytes(front))
        if (process.env['TEST_FIGURES'] !== undefined) process.stdout.write(`${Math.round(most)} MB\n`)
        expect(most).toBeLessThan(MAX_MEGABYTES)
        const startMs = performance.now()
        await service.stop()
        expect(performance.now() - startMs).toBeLessThan(MAX_STOP_MS)
      },
      ATTACK_MS + MAX_EXPORT_MS,
    )
  },
)
