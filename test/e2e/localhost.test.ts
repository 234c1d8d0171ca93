import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { connect, createServer } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { listenAddresses } from '../../src/lib/loopback-hosts.ts'
import { holdFreePort } from '../../src/processes/free-port.ts'
import { freePort } from '../support/free-port.ts'
import { Service } from '../support/service.ts'
import { failToStart } from '../support/start-failure.ts'
import { endOf, expectCleanEnd } from '../support/stops.ts'

const addresses = listenAddresses('localhost')
const describeWithIpv6 = addresses.includes('::1') ? describe : describe.skip

describeWithIpv6('HOST=localhost', () => {
  it('listens on both loopback addresses, for as long as the service runs', async () => {
    const metricsPort = await freePort('localhost')
    const env = { HOST: 'localhost', WORKER_METRICS_PORT: String(metricsPort) }
    const service = await Service.start({ env })
    const agents = [new Agent({ keepAlive: true }), new Agent({ keepAlive: true })] as const
    try {
      const port = Number(new URL(service.url).port)
      const statuses = (agent: Agent) =>
        Promise.all(addresses.flatMap(host => [status(host, port, agent), status(host, metricsPort, agent)]))
      expect(await statuses(agents[0])).toEqual([200, 200, 200, 200])
      const replaced = service.says(/all front processes are replaced/)
      service.process.kill('SIGHUP')
      await replaced
      // The connections to the processes that have just ended may not be known to be closed yet.
      expect(await statuses(agents[1])).toEqual([200, 200, 200, 200])
      expect(await service.stop()).toBe(0)
      expect(stopLines(service)).toEqual([
        { level: 30, role: 'supervisor', msg: 'stopping', reason: 'SIGTERM' },
        { level: 30, role: 'supervisor', msg: 'stopped', reason: 'SIGTERM' },
      ])
    } finally {
      for (const agent of agents) agent.destroy()
      await service.stop()
    }
  })

  it.each(addresses)('ends in time while a new connection to %s is open', async host => {
    const service = await Service.start({ env: { HOST: 'localhost', WEB_CONCURRENCY: '1' } })
    const socket = connect(Number(new URL(service.url).port), host).on('error', () => undefined)
    try {
      await once(socket, 'connect')
      expectCleanEnd(await endOf(service))
    } finally {
      socket.destroy()
      await service.stop()
    }
  })

  it('does not start if one of them is taken', async () => {
    const taken = createServer().listen(0, '::1')
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    const { code, said } = await failToStart('all', { HOST: 'localhost', PORT: String(port) })
    taken.close()
    expect(code).toBe(1)
    expect(said).toMatch(new RegExp(`cannot listen on localhost:${port}: .*EADDRINUSE.* ::1:${port}`))
  })

  it('holds a free port on both', async () => {
    const { port, release } = await holdFreePort('localhost')
    for (const host of addresses) {
      const [err] = await once(createServer().listen(port, host), 'error')
      expect(err).toMatchObject({ code: 'EADDRINUSE' })
    }
    release()
  })
})

function status(host: string, port: number, agent: Agent): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get({ host, port, path: '/health', agent }, response => {
      response.resume()
      response.once('end', () => resolve(response.statusCode))
    }).once('error', reject)
  })
}

function stopLines({ output }: Service): unknown[] {
  const lines = output.filter(line => /"msg":"stop(ping|ped)"/.test(line))
  return lines.map(line => {
    const { level, role, msg, reason } = JSON.parse(line)
    return { level, role, msg, reason }
  })
}
