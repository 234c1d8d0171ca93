import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { exchange } from '../integration/http/raw-http.ts'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { descendantsOf, pidsWithVariable } from '../support/processes.ts'
import { promised } from '../support/promised.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'
import { endOf, expectCleanEnd, handlesSighup, handlesSignals } from '../support/stops.ts'

/** Spread over a start, which takes about a second. */
const MOMENTS_MS = [0, 300, 1_000]

describe('a stop during the start', () => {
  it.each(MOMENTS_MS)('of the whole service, %i ms after it handles signals, ends everything', async afterMs => {
    const service = await Service.spawn({ kind: 'all' })
    try {
      await handlesSignals(service)
      await sleep(afterMs)
      expectCleanEnd(await endOf(service))
    } finally {
      await service.stop()
    }
  })

  it.each([700])('without Redis, %i ms after it handles signals, ends everything', async afterMs => {
    const env = { REDIS_URL: `redis://127.0.0.1:${await freePort()}` }
    const service = await Service.spawn({ kind: 'all', env })
    try {
      await handlesSignals(service)
      await sleep(afterMs)
      expectCleanEnd(await endOf(service, 'SIGINT'))
    } finally {
      await service.stop()
    }
  })
})

it('SIGHUP during the start changes nothing', async () => {
  const service = await Service.spawn({ kind: 'all' })
  try {
    await handlesSighup(service)
    service.process.kill('SIGHUP')
    await service.says(/"supervisor".*listening on/)
  } finally {
    await service.stop()
  }
})

describe('a stop', () => {
  let service: Service
  beforeEach(async () => {
    service = await Service.start()
  })
  afterEach(() => service.stop())

  it('that is requested twice is one stop', async () => {
    const end = endOf(service)
    service.process.kill('SIGTERM')
    expectCleanEnd(await end)
  })

  it('by a terminal, which signals every process at once, ends everything', async () => {
    for (const { pid } of descendantsOf(service.process.pid ?? 0)) process.kill(pid, 'SIGINT')
    expectCleanEnd(await endOf(service, 'SIGINT'))
  })

  it('does not replace processes that died just before', async () => {
    const victims = ['front', 'worker', 'store'].map(kind => service.pidsOf(`throttler ${kind}`)[0] ?? 0)
    for (const pid of victims) process.kill(pid, 'SIGKILL')
    await eventually(() => expect(service.output.join()).toContain('a process died and is replaced'))
    expectCleanEnd(await endOf(service))
  })

  it('continues when the worker dies meanwhile', async () => {
    const [worker = 0] = service.pidsOf('throttler worker')
    const end = endOf(service)
    process.kill(worker, 'SIGKILL')
    expectCleanEnd(await end)
  })

  it('leaves no process for long when the primary is killed meanwhile', async () => {
    const [primary = 0] = service.pidsOf('throttler primary')
    const exited = once(service.process, 'exit')
    service.process.kill('SIGTERM')
    process.kill(primary, 'SIGKILL')
    expect(await exited).toEqual([0, null])
    await eventually(() => expect(pidsWithVariable('DATA_DIR', service.dataDir)).toEqual([]), promised(5_000))
  })
})

it('a stop during a replacement does not wait for the idle clients of the process that leaves', async () => {
  const service = await Service.start({ env: { WEB_CONCURRENCY: '1', SHUTDOWN_TIMEOUT_MS: '120000' } })
  const [asking, idle] = [0, 1].map(() => connect(Number(new URL(service.url).port), '127.0.0.1')) as [Socket, Socket]
  const answerTo = async (socket: Socket) => {
    socket.write('GET /ready HTTP/1.1\r\nhost: localhost\r\n\r\n')
    return String((await once(socket, 'data'))[0])
  }
  try {
    await answerTo(idle)
    service.process.kill('SIGHUP')
    await eventually(async () => expect(await answerTo(asking)).toMatch(/\r\nconnection: close\r\n/i))
    expectCleanEnd(await endOf(service))
  } finally {
    for (const socket of [asking, idle]) socket.destroy()
    await service.stop()
  }
})

/** What the connection of a stranger may do. */
const STRANGERS: Readonly<Record<string, (socket: Socket) => void>> = {
  'sends nothing': () => undefined,
  'sends half of a head': socket => socket.write('GET /health HTTP/1.1\r\nhost: local'),
  'sends a body slowly': socket => {
    const fields = 'host: localhost\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n'
    socket.write(`POST /check HTTP/1.1\r\n${fields}`)
    const timer = setInterval(() => socket.write(' '.repeat(500)), 100)
    socket.once('close', () => clearInterval(timer))
  },
}

/** Resolves once the service has what the stranger sent: it has answered a later request. */
async function stranger(service: Service, act: (socket: Socket) => void): Promise<Socket> {
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1')
  socket.on('error', () => undefined).resume()
  await once(socket, 'connect')
  act(socket)
  expect((await fetch(`${service.url}/health`)).status).toBe(200)
  return socket
}

it('a stop while batches wait to be parsed refuses them, and ends in order', async () => {
  const service = await Service.start({ env: { WEB_CONCURRENCY: '1' } })
  const sockets = Array.from({ length: 5 }, () => connect(Number(new URL(service.url).port), '127.0.0.1'))
  const waiting = new Set(sockets)
  try {
    const batch = '{"checks":[{"key":"late"}]}'.padEnd(3 * 1024 * 1024)
    const fields = `host: localhost\r\ncontent-type: application/json\r\ncontent-length: ${batch.length}\r\n\r\n`
    for (const socket of sockets) {
      socket.write(`POST /check/batch HTTP/1.1\r\n${fields}${batch}`)
      socket.once('readable', () => waiting.delete(socket))
    }
    await eventually(() => expect(waiting.size).toBeLessThan(sockets.length))
    const answers = Promise.all([...waiting].map(text))
    expectCleanEnd(await endOf(service))
    const refused = (await answers).filter(answer => /^HTTP\/1\.1 503 .*"code":"draining"/s.test(answer))
    expect(refused.length).toBeGreaterThan(0)
  } finally {
    for (const socket of sockets) socket.destroy()
    await service.stop()
  }
})

it('a stop answers connections that a slow primary accepts a second later', async () => {
  // A fifth of this time is enough for the primary also on a busy machine.
  const service = await Service.start({ env: { WEB_CONCURRENCY: '1', SHUTDOWN_TIMEOUT_MS: '60000' } })
  const [primary = 0] = service.pidsOf('throttler primary')
  // Until it is closed, the front process takes connections.
  const open = await stranger(service, () => undefined)
  try {
    const end = endOf(service)
    await sleep(250)
    process.kill(primary, 'SIGSTOP')
    const request = 'GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n'
    const answers = Promise.all(Array.from({ length: 20 }, () => exchange(Number(new URL(service.url).port), request)))
    await sleep(1_250)
    process.kill(primary, 'SIGCONT')
    for (const answer of await answers) expect(answer).toMatch(/^HTTP\/1\.1 200 .*\r\nconnection: close\r\n/is)
    expectCleanEnd(await end)
  } finally {
    open.destroy()
    await service.stop()
  }
})

describe('while a stranger', () => {
  it.each(Object.entries(STRANGERS))(
    '%s, a replacement keeps what was counted, and a stop ends in order',
    async (_what, act) => {
      const service = await Service.start({ env: { WEB_CONCURRENCY: '1', SHUTDOWN_TIMEOUT_MS: '5000' } })
      const sockets = [await stranger(service, act)]
      try {
        const client = new Client(service.url)
        for (let i = 0; i < 20; i++) expect((await client.check(`counted:${i}`)).status).toBe(200)
        const replaced = service.says(/all front processes are replaced/)
        service.process.kill('SIGHUP')
        await replaced
        const metrics = await (await fetch(`${service.url}/metrics`)).text()
        expect(metrics).toMatch(/^throttler_checks_total\{.*outcome="allowed".*\} 20$/m)
        sockets.push(await stranger(service, act))
        expectCleanEnd(await endOf(service))
      } finally {
        for (const socket of sockets) socket.destroy()
        await service.stop()
      }
    },
  )
})

describeWithRedis('a stop while Redis hangs', () => {
  it('waits neither for Redis nor for BullMQ', async () => {
    const redis = await RedisServer.start()
    const service = await Service.start({ env: { REDIS_URL: redis.url } })
    try {
      const noticed = service.says(/the connection to Redis is lost/)
      redis.signal('SIGSTOP')
      await noticed
      expectCleanEnd(await endOf(service))
    } finally {
      await service.stop()
      await redis.stop()
    }
  })
})

describeWithRedis('a stop during a replacement', () => {
  it('ends successors that are still starting', async () => {
    const redis = await RedisServer.start()
    const service = await Service.start({ kind: 'api', env: { REDIS_URL: redis.url } })
    try {
      const { length } = service.pids
      service.process.kill('SIGHUP')
      await eventually(() => expect(service.pids).toHaveLength(length + 1))
      await sleep(50)
      expectCleanEnd(await endOf(service))
    } finally {
      await service.stop()
      await redis.stop()
    }
  })
})
