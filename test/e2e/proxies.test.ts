import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { freePort } from '../../src/processes/free-port.ts'
import { Client } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { describeWithHaproxy, describeWithNginx } from '../support/proxies.ts'
import { recipe } from '../support/recipe.ts'
import { Service } from '../support/service.ts'

interface Proxy {
  readonly program: string
  /** Writes the recipe's files for these addresses. Resolves with the arguments that start the proxy. */
  readonly configure: (directory: string, addresses: Addresses) => Promise<readonly string[]>
}

interface Addresses {
  readonly listen: string
  readonly service: string
  readonly application: string
}

const NGINX: Proxy = {
  program: 'nginx',
  configure: async (directory, { listen, service, application }) => {
    const http = recipe('nginx', 'nginx', {
      'listen 80;': `listen ${listen};`,
      '127.0.0.1:8080': service,
      '127.0.0.1:3000': application,
    })
    const own = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(kind => `${kind}_temp_path ${directory};`)
    await writeFile(
      join(directory, 'nginx.conf'),
      `daemon off; pid ${directory}/pid; events {}\nhttp { access_log off; ${own.join(' ')}\n${http}\n}`,
    )
    return ['-p', directory, '-c', join(directory, 'nginx.conf'), '-e', 'stderr']
  },
}

const HAPROXY: Proxy = {
  program: 'haproxy',
  configure: async (directory, { listen, service, application }) => {
    // Names of abstract sockets belong to the whole machine.
    const socket = { 'abns@throttler': `abns@throttler-${listen}` }
    const config = { ...socket, 'bind :80': `bind ${listen}`, '127.0.0.1:8080': service, '127.0.0.1:3000': application }
    await writeFile(join(directory, 'throttle.lua'), recipe('haproxy', 'lua', socket))
    await writeFile(join(directory, 'haproxy.cfg'), recipe('haproxy', 'haproxy', config))
    return ['-db', '-C', directory, '-f', join(directory, 'haproxy.cfg')]
  },
}

describeWithNginx('behind nginx', () => itLimits(NGINX))
describeWithHaproxy('behind HAProxy', () => itLimits(HAPROXY))

/** Half a second is configured; the rest is for a slow machine. */
const MOMENT_MS = 2_000

async function expectToPassSoon(url: string): Promise<void> {
  const startedAt = performance.now()
  expect((await fetch(url)).status).toBe(200)
  expect(performance.now() - startedAt).toBeLessThan(MOMENT_MS)
}

function itLimits(proxy: Proxy): void {
  let service: Service
  let application: Server
  let process: ChildProcess
  let directory: string
  let url: string

  beforeAll(async () => {
    // One process, which obeys at once what it answered as applied.
    service = await Service.start({ env: { WEB_CONCURRENCY: '1' } })
    application = createServer((request, response) => response.end(`the application saw ${request.url}`))
    await once(application.listen(0, '127.0.0.1'), 'listening')
    directory = await mkdtemp(join(tmpdir(), 'throttler-proxy-'))
    const listen = `127.0.0.1:${await freePort('127.0.0.1')}`
    const args = await proxy.configure(directory, {
      listen,
      service: new URL(service.url).host,
      application: `127.0.0.1:${(application.address() as AddressInfo).port}`,
    })
    process = spawn(proxy.program, args, { stdio: 'inherit' })
    url = `http://${listen}`
    await eventually(() => fetch(url), 5_000)
  })
  afterAll(async () => {
    const ended = once(process, 'exit')
    process.kill('SIGTERM')
    await ended
    application.closeAllConnections()
    application.close()
    await service.stop()
    await rm(directory, { recursive: true })
  })

  it('passes what is allowed, with its RateLimit fields', async () => {
    const client = new Client(service.url)
    await client.put('ip:127.0.0.1', { capacity: 2, refillTokens: 1, refillIntervalMs: 1_000_000 })
    await client.request('DELETE', '/buckets/ip%3A127.0.0.1')
    const response = await fetch(`${url}/page?q=1`)
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('the application saw /page?q=1')
    expect(response.headers.get('ratelimit')).toBe('"default";r=1;t=1000')
    expect(response.headers.get('ratelimit-policy')).toBe('"default";q=2;w=2000')
  })

  it('answers a denial with 429 and its fields', async () => {
    await fetch(url)
    const response = await fetch(url)
    expect(response.status).toBe(429)
    expect(response.headers.get('ratelimit')).toMatch(/^"default";r=0;t=\d+$/)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(900)
    expect(await response.json()).toEqual({ error: 'too many requests' })
  })

  it('does not take an outage for a denial, and does not wait for it', async () => {
    await service.stop()
    await expectToPassSoon(url)
  })

  it('waits only a moment for a service that hangs', async () => {
    const sockets: Socket[] = []
    // A proxy that gives up may reset its connection.
    const hanging = createTcpServer(socket => sockets.push(socket.on('error', () => undefined)))
    await once(hanging.listen(Number(new URL(service.url).port), '127.0.0.1'), 'listening')
    try {
      await expectToPassSoon(url)
      expect(sockets).toHaveLength(1)
    } finally {
      for (const socket of sockets) socket.destroy()
      hanging.close()
    }
  })
}
