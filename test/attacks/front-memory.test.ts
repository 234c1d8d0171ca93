import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { describeLong } from '../support/describe-long.ts'
import { residentMegabytes } from '../support/processes.ts'
import { Service } from '../support/service.ts'

/** See `Capacity` in docs/operations.md. */
const MAX_MEGABYTES = 300

const ATTACK_MS = 60_000
const CONNECTIONS_OF_KIND = 400
const TICK_MS = 250

/** What a connection sends and then leaves unfinished, or unread. */
const HTTP_KINDS = {
  head: `GET /health HTTP/1.1\r\nhost: localhost\r\n${`x: ${'y'.repeat(150)}\r\n`.repeat(95)}`,
  body: `POST /check/batch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 4000000\r\n\r\n${' '.repeat(200_000)}`,
  unread: 'GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(16),
}
const RESP_KINDS = {
  command: `*1024\r\n${'$1\r\na\r\n'.repeat(1_000)}$60000\r\n${'z'.repeat(59_000)}`,
  unread: `*2\r\n$4\r\nECHO\r\n$60000\r\n${'z'.repeat(60_000)}\r\n`.repeat(16),
}

describeLong('a client that lets a front process hold as much as it can, of every kind at once', () => {
  let service: Service
  const open = new Set<Socket>()
  beforeEach(async () => {
    service = await Service.start({ env: { WEB_CONCURRENCY: '1', RESP_PORT: '0' } })
  }, 30_000)
  afterEach(async () => {
    for (const socket of open) socket.destroy()
    await service.stop()
  }, 30_000)

  function attack(port: number, bytes: string): void {
    const socket = connect({ port, host: '127.0.0.1' })
    open.add(socket)
    socket.on('error', () => undefined).on('close', () => open.delete(socket))
    socket.pause().write(bytes)
  }

  it(
    `makes it take ${MAX_MEGABYTES} MB at most`,
    async () => {
      const kinds = [
        ...Object.values(HTTP_KINDS).map(bytes => [Number(new URL(service.url).port), bytes] as const),
        ...Object.values(RESP_KINDS).map(bytes => [service.respPort, bytes] as const),
      ]
      const [front = 0] = service.pidsOf('throttler front')
      let most = 0
      for (const endMs = performance.now() + ATTACK_MS; performance.now() < endMs; await sleep(TICK_MS)) {
        for (let missing = kinds.length * CONNECTIONS_OF_KIND - open.size, i = 0; i < missing; i++) {
          const [port, bytes] = kinds[i % kinds.length] as (typeof kinds)[number]
          attack(port, bytes)
        }
        most = Math.max(most, residentMegabytes(front))
      }
      if (process.env['TEST_FIGURES'] !== undefined) process.stdout.write(`${Math.round(most)} MB\n`)
      expect(most).toBeLessThan(MAX_MEGABYTES)
    },
    ATTACK_MS + 60_000,
  )
})
