import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { ClientPackage, run } from '../support/client-package.ts'
import { decision, FakeService, problem } from '../support/fake-service.ts'
import { Service } from '../support/service.ts'
import { TypedApplication } from '../support/typed-application.ts'

const manifest = (path: string) => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'))

/** An application of each kind, with a limit for each address and another for failed logins. */
const APPLICATIONS = {
  'an Express application in CommonJS': {
    type: 'commonjs',
    module: 'express',
    source: `
      const express = require('express')
      const { clientKey, Throttler } = require('throttler-client')
      const { throttle } = require('throttler-client/express')

      const onError = failure => console.log('failure: ' + failure.message)
      const throttler = new Throttler({ url: process.argv[2], onFailure: 'allow', timeoutMs: 5000, onError })
      const app = express()
      app.use('/login', throttle({ throttler, key: request => 'login:' + request.query.user, countOnly: 'failures' }))
      app.get('/login', (request, response) => response.sendStatus(request.query.password === 'right' ? 204 : 401))
      app.use(throttle({ throttler, key: request => clientKey(request.ip) }))
      app.get('/', (request, response) => response.json({ hello: 'world' }))
      const server = app.listen(0, '127.0.0.1', () => console.log('http://127.0.0.1:' + server.address().port))`,
  },
  'a Fastify application in ESM': {
    type: 'module',
    module: 'fastify',
    source: `
      import { fastify } from 'fastify'
      import { clientKey, Throttler } from 'throttler-client'
      import { throttle } from 'throttler-client/fastify'

      const onError = failure => console.log('failure: ' + failure.message)
      const throttler = new Throttler({ url: process.argv[2], onFailure: 'allow', timeoutMs: 5000, onError })
      const app = fastify()
      app.register(async login => {
        login.register(throttle, { throttler, key: request => 'login:' + request.query.user, countOnly: 'failures' })
        login.get('/login', async (request, reply) => reply.code(request.query.password === 'right' ? 204 : 401).send())
      })
      app.register(async site => {
        site.register(throttle, { throttler, key: request => clientKey(request.ip) })
        site.get('/', async () => ({ hello: 'world' }))
      })
      console.log(await app.listen({ port: 0, host: '127.0.0.1' }))`,
  },
} as const

/** Type-checks as an ES module and as a CommonJS module. */
const TYPED = `
  import { clientKey, type Decision, ServiceError, Throttler } from 'throttler-client'
  import { throttle as forExpress } from 'throttler-client/express'
  import { throttle as forFastify } from 'throttler-client/fastify'
  import express, { type Request, type Response } from 'express'
  import { fastify, type FastifyReply, type FastifyRequest } from 'fastify'

  const throttler = new Throttler({ url: 'http://127.0.0.1:8080', onFailure: 'throw', token: process.env['TOKEN'] })
  export async function remaining(key: string): Promise<number | null | undefined> {
    const decision = await throttler.check(key, { tokens: 2 })
    return decision.source === 'client' ? undefined : (decision satisfies Decision).remaining
  }
  export async function generate(key: string, work: () => Promise<number>): Promise<number> {
    await using reservation = await throttler.reserve(key, { tokens: 4_000, ttlMs: 5_000, extend: true })
    if (!reservation.allowed) throw new Error('denied by ' + reservation.decision.source)
    const { checks } = await reservation.settle(await work())
    return checks.reduce((sum, { charged }) => sum + charged, 0)
  }
  export async function mayRead(team: string, user: string): Promise<boolean> {
    const { results } = await throttler.checkAll([{ key: team }, { key: user, tokens: 2 }])
    return results.every(({ allowed }) => allowed)
  }
  // @ts-expect-error: an estimate is required
  throttler.reserve('a', { ttlMs: 5_000 })
  // @ts-expect-error: onFailure is required
  new Throttler({ url: 'http://127.0.0.1:8080' })
  // @ts-expect-error: times are in milliseconds
  export const seconds = (decision: Decision) => decision.retryAfter
  export const isKnown = (err: unknown) => err instanceof ServiceError && err.code === 'key-invalid'
  export const middleware = forExpress({ throttler, key: request => clientKey(request.ip) })
  export async function waitMs(key: string): Promise<number | null | undefined> {
    const { allowed, code, retryAfterMs, failure, 'violated-policies': violated } = await throttler.check(key)
    if (!allowed) console.log(code satisfies 'quota-exceeded' | 'blocked' | undefined, violated?.length, failure)
    return retryAfterMs
  }
  interface AuthenticatedRequest extends Request {
    user: { id: string }
  }
  const site = express()
  site.use(middleware)
  site.use(forExpress({ throttler, key: request => request.hostname }))
  site.use(forExpress({ throttler, key: (request: AuthenticatedRequest) => request.user.id }))
  site.get('/', forExpress({
    throttler,
    key: (request: AuthenticatedRequest) => request.user.id,
    onDenied: (request, response: Response) => response.status(429).json({ user: request.user.id }),
  }))
  // @ts-expect-error: not a request of Node
  forExpress({ throttler, key: (request: FastifyRequest) => request.id })
  const app = fastify()
  app.register(forFastify, { throttler, key: request => clientKey(request.ip), countOnly: 'failures' })
  app.register(forFastify<FastifyRequest, FastifyReply>, { throttler, key: request => request.routeOptions.url })`

/** Reserves and settles, and has nothing else to do. */
const LEAVING = `
  const { Throttler } = require('throttler-client')
  const onError = failure => console.log(failure.code)
  const throttler = new Throttler({ url: process.argv[2], onFailure: 'throw', timeoutMs: 20000, onError })
  throttler.reserve('a', { tokens: 1, ttlMs: 3600000, extend: true }).then(() =>
    throttler.reserve('b', { tokens: 1 }).then(reservation => void reservation.settle()))`

let client: ClientPackage
beforeAll(async () => {
  client = await ClientPackage.pack()
})
afterAll(() => client.remove())

it('the package is built with the tools of the repository, and has no dependencies', () => {
  const root = manifest('package.json')
  const { dependencies, devDependencies, engines } = manifest('clients/typescript/package.json')
  expect(dependencies).toBeUndefined()
  expect(engines).toEqual(root.engines)
  for (const [name, version] of Object.entries(devDependencies))
    expect([name, root.devDependencies[name]]).toEqual([name, version])
})

it('a program in TypeScript finds the types, as an ES module and as a CommonJS module', async () => {
  const application = await TypedApplication.install(client)
  for (const name of ['program.mts', 'program.cts']) await application.compile(name, TYPED)
})

it('reservations that are in use, or not settled yet, keep no process alive', async () => {
  const service = await new FakeService(({ path }, response) =>
    path === '/reservations'
      ? { id: '0-1', expiresAt: new Date().toISOString(), ...decision('a') }
      : problem(response, 503, 'store-unavailable'),
  ).start()
  const directory = await client.install('commonjs')
  await writeFile(join(directory, 'leaving.cjs'), LEAVING)
  expect(await run(directory, process.execPath, ['leaving.cjs', service.url])).toBe('store-unavailable\n')
  await service.stop()
})

describe.each(Object.entries(APPLICATIONS))('%s', (_, { type, module, source }) => {
  let service: Service
  let program: ChildProcess
  let lines: Interface
  let url: string
  beforeAll(async () => {
    service = await Service.start({ env: { WEB_CONCURRENCY: '1' } })
    const admin = new Client(service.url)
    for (const key of ['ip:*', 'login:*']) {
      await admin.put(key, { capacity: 2, refillTokens: 1, refillIntervalMs: 100_000 })
    }
    const directory = await client.install(type, [module])
    await writeFile(join(directory, 'app.js'), source)
    program = spawn('node', ['app.js', service.url], { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] })
    lines = createInterface({ input: program.stdout as NonNullable<typeof program.stdout> })
    url = String(await once(lines, 'line'))
  })
  afterAll(async () => {
    program.kill()
    await once(program, 'exit')
    await service.stop()
  })

  it('limits each address, and reports when to retry', async () => {
    const statuses: number[] = []
    for (let i = 0; i < 2; i++) statuses.push((await fetch(url)).status)
    expect(statuses).toEqual([200, 200])
    const denied = await fetch(url)
    expect(denied.status).toBe(429)
    expect(denied.headers.get('ratelimit-policy')).toBe('"default";q=2')
    expect(denied.headers.get('ratelimit')).toMatch(/^"default";r=0;t=\d+$/)
    expect(Number(denied.headers.get('retry-after'))).toBeGreaterThan(90)
    expect(await denied.json()).toMatchObject({ status: 429, 'violated-policies': ['default'] })
  })

  it('limits failed logins, and not successful ones', async () => {
    const logIn = async (password: string) => (await fetch(`${url}/login?user=ann&password=${password}`)).status
    const admin = new Client(service.url)
    // What a request holds is given back or charged after its response is sent.
    const untilLeft = async (tokens: number) => {
      while ((await admin.check('login:ann', 0)).body.remaining !== tokens);
    }
    for (let i = 0; i < 4; i++) {
      expect(await logIn('right')).toBe(204)
      await untilLeft(2)
    }
    for (const left of [1, 0]) {
      expect(await logIn('wrong')).toBe(401)
      await untilLeft(left)
    }
    expect(await logIn('right')).toBe(429)
    expect((await fetch(`${url}/login?user=bob&password=right`)).status).toBe(204)
  })

  it('does what onFailure says once the service is unavailable, and reports it', async () => {
    await service.stop()
    const [[line], response] = await Promise.all([once(lines, 'line'), fetch(url)])
    expect(response.status).toBe(200)
    expect(line).toBe('failure: fetch failed')
  })
})
