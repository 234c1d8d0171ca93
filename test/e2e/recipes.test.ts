import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { transform } from '@swc/core'
import { Client } from '../support/client.ts'
import { ClientPackage } from '../support/client-package.ts'
import { eventually } from '../support/eventually.ts'
import { FakeModel, finish, say, UNKNOWN_MODEL } from '../support/fake-model.ts'
import { decision, FakeService } from '../support/fake-service.ts'
import { freePort } from '../support/free-port.ts'
import { itShows } from '../support/readme.ts'
import { recipe } from '../support/recipe.ts'
import { Service } from '../support/service.ts'

/** The code that makes an application of this kind listen and print its URL. */
const LISTEN = {
  fastify: "console.log(await app.listen({ port: 0, host: '127.0.0.1' }))",
  express: "const server = app.listen(0, '127.0.0.1', () => console.log('http://127.0.0.1:' + server.address().port))",
} as const

const WITHOUT_TYPES = { jsc: { parser: { syntax: 'typescript' }, target: 'es2023' } } as const

let service: Service
let admin: Client
let client: ClientPackage
let directory: string
let scratch: string
beforeAll(async () => {
  // With one process, a change is obeyed as soon as it is reported as applied.
  service = await Service.start({ env: { WEB_CONCURRENCY: '1' } })
  admin = new Client(service.url)
  client = await ClientPackage.pack()
  directory = await client.install('module', Object.keys(LISTEN))
  scratch = await mkdtemp(join(tmpdir(), 'throttler-recipes-'))
})
afterAll(async () => {
  await service.stop()
  await client.remove()
  await rm(scratch, { recursive: true })
})

let program: ChildProcess | undefined
afterEach(async () => {
  if (program === undefined) return
  program.kill()
  await once(program, 'exit')
  program = undefined
})

/** Starts the recipe as a program that uses this service. Resolves with its URL. */
async function start(
  name: string,
  framework: keyof typeof LISTEN = 'express',
  replaced: Readonly<Record<string, string>> = {},
): Promise<string> {
  const patient = { 'onFailure:': 'timeoutMs: 5_000, onFailure:' }
  const source = recipe(name, 'ts', { 'http://127.0.0.1:8080': service.url, ...patient, ...replaced })
  const file = join(directory, `${name}.js`)
  const { code } = await transform(source, WITHOUT_TYPES)
  await writeFile(file, `${code}\n${LISTEN[framework]}\n`)
  const child = spawn('node', [file], { stdio: ['ignore', 'pipe', 'inherit'] })
  program = child
  const [url] = await once(createInterface({ input: child.stdout }), 'line')
  return String(url)
}

const remaining = async (key: string): Promise<number> => (await admin.check(key, 0)).body.remaining

describe.each(['express', 'fastify'] as const)('the recipe for %s', name => {
  it('serves allowed requests, and reports to denied ones when to retry', async () => {
    await admin.put('ip:*', { capacity: 1, refillTokens: 1, refillIntervalMs: 100_000 })
    await admin.request('DELETE', '/buckets/ip%3A127.0.0.1')
    const url = await start(name, name)
    const allowed = await fetch(url)
    expect([allowed.status, await allowed.json()]).toEqual([200, { hello: 'world' }])
    expect(allowed.headers.get('ratelimit')).toMatch(/^"default";r=0;t=\d+$/)
    const denied = await fetch(url)
    expect([denied.status, await denied.json()]).toMatchObject([429, { title: 'The rate limit is exceeded' }])
    expect(Number(denied.headers.get('retry-after'))).toBeGreaterThan(90)
  })
})

/** The commands of a document in `docs`, as they are printed. Those of a recipe also set its policy. */
function itShowsCommands(name: string, heading: string): void {
  const conditions = () => ({ cwd: scratch, replaced: { 'localhost:8080': new URL(service.url).host } })
  describe('by hand', () => itShows(heading, conditions, `docs/${name}.md`))
}

describe('the page on reservations', () => itShowsCommands('reservations', 'The life of a reservation'))

describe('the recipe for a gateway for a model', () => {
  const MESSAGES = [{ role: 'user', content: 'Say hello.' }]
  const PROMPT_TOKENS = Math.ceil(JSON.stringify(MESSAGES).length / 4)

  let model: FakeModel
  beforeAll(async () => {
    model = await new FakeModel().start()
  })
  afterAll(() => model.stop())

  itShowsCommands('recipes/model-gateway', 'The limit')

  const startGateway = () => start('model-gateway', 'express', { 'http://127.0.0.1:11434': model.url })

  const ask = (url: string, user: string, members: object = {}, signal?: AbortSignal) =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      ...(signal && { signal }),
      headers: { 'content-type': 'application/json', 'x-user': user },
      body: JSON.stringify({ messages: MESSAGES, ...members }),
    })

  it('holds an estimate while it streams, and then charges the real count', async () => {
    await admin.put('tokens:bob', { capacity: 10_000, refillTokens: 1, refillIntervalMs: 1_000_000 })
    const url = await startGateway()
    const [answer, response] = await Promise.all([
      model.nextAnswer().then(answer => {
        say(answer, 'Hel')
        return answer
      }),
      ask(url, 'bob'),
    ])
    expect(await remaining('tokens:bob')).toBe(10_000 - PROMPT_TOKENS - 1_000)
    say(answer, 'lo.')
    finish(answer, 320)
    const text = await response.text()
    expect(text).toMatch(/"Hel"[\s\S]*"lo\."[\s\S]*"total_tokens":320[\s\S]*data: \[DONE\]\n\n$/)
    await eventually(async () => expect(await remaining('tokens:bob')).toBe(10_000 - 320))
  })

  it('charges what was produced if the client disconnects in the middle, and stops the model', async () => {
    await admin.put('tokens:cy', { capacity: 10_000, refillTokens: 1, refillIntervalMs: 1_000_000 })
    const url = await startGateway()
    const [answer, response] = await Promise.all([
      model.nextAnswer().then(answer => {
        for (const word of ['one ', 'two ', 'three ']) say(answer, word)
        return answer
      }),
      ask(url, 'cy'),
    ])
    const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader()
    for (let text = ''; !text.includes('three'); ) text += (await reader.read()).value
    await Promise.all([once(answer, 'close'), reader.cancel()])
    await eventually(async () => expect(await remaining('tokens:cy')).toBe(10_000 - PROMPT_TOKENS - 3))
  })

  it('charges the prompt if the client disconnects before the first part', async () => {
    await admin.put('tokens:eve', { capacity: 10_000, refillTokens: 1, refillIntervalMs: 1_000_000 })
    const url = await startGateway()
    const client = new AbortController()
    const [answer, asked] = [model.nextAnswer(), ask(url, 'eve', {}, client.signal)]
    const stopped = once(await answer, 'close')
    client.abort()
    await expect(asked).rejects.toThrow('aborted')
    await stopped
    await eventually(async () => expect(await remaining('tokens:eve')).toBe(10_000 - PROMPT_TOKENS))
  })

  it('releases what it reserves for a client that has disconnected meanwhile, and asks no model', async () => {
    const held = new FakeService(({ method, body: { key } }, response) => {
      if (method === 'DELETE') return void response.writeHead(204).end()
      void leave().then(() =>
        response.end(JSON.stringify({ id: 'held', expiresAt: new Date().toISOString(), ...decision(key) })),
      )
    })
    await held.start()
    const noModel = `http://127.0.0.1:${await freePort()}`
    const services = { 'http://127.0.0.1:11434': noModel, 'http://127.0.0.1:8080': held.url }
    const url = await start('model-gateway', 'express', services)
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    const leave = async () => {
      await once(socket.destroy(), 'close')
      // The gateway answers this after it has learned of the end of that connection.
      await fetch(url)
    }
    try {
      socket.write('POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx-user: dan\r\ncontent-length: 0\r\n\r\n')
      await eventually(() => expect(held.calls.map(({ method }) => method)).toEqual(['POST', 'DELETE']))
    } finally {
      socket.destroy()
      await held.stop()
    }
  })

  it('charges nothing if the model refuses the request', async () => {
    await admin.put('tokens:fay', { capacity: 10_000, refillTokens: 1, refillIntervalMs: 1_000_000 })
    const url = await startGateway()
    await expect(ask(url, 'fay', { model: UNKNOWN_MODEL })).rejects.toThrow('fetch failed')
    await eventually(async () => expect(await remaining('tokens:fay')).toBe(10_000))
  })

  it('charges nothing if the model cannot be reached', async () => {
    await admin.put('tokens:gus', { capacity: 10_000, refillTokens: 1, refillIntervalMs: 1_000_000 })
    const unreachable = `http://127.0.0.1:${await freePort()}`
    const url = await start('model-gateway', 'express', { 'http://127.0.0.1:11434': unreachable })
    await expect(ask(url, 'gus')).rejects.toThrow('fetch failed')
    await eventually(async () => expect(await remaining('tokens:gus')).toBe(10_000))
  })

  it.each([-10_000, 0.5, '5'])('holds its own estimate if max_tokens is %p', async maxTokens => {
    await admin.put('tokens:hal', { capacity: 10_000, refillTokens: 1, refillIntervalMs: 1_000_000 })
    await admin.request('DELETE', '/buckets/tokens%3Ahal')
    const url = await startGateway()
    const [answer, response] = await Promise.all([
      model.nextAnswer().then(answer => {
        say(answer, 'Hello.')
        return answer
      }),
      ask(url, 'hal', { max_tokens: maxTokens }),
    ])
    expect(await remaining('tokens:hal')).toBe(10_000 - PROMPT_TOKENS - 1_000)
    finish(answer, 100)
    await response.text()
    await eventually(async () => expect(await remaining('tokens:hal')).toBe(9_900))
  })

  it('denies a request that does not fit beside those in progress, and allows it once they are settled', async () => {
    await admin.put('tokens:di', { capacity: 3_000, refillTokens: 1, refillIntervalMs: 1_000_000 })
    const url = await startGateway()
    const begin = () =>
      Promise.all([
        model.nextAnswer().then(answer => {
          say(answer, 'Hello.')
          return answer
        }),
        ask(url, 'di', { max_tokens: 2_000 }),
      ])
    const [answer, response] = await begin()
    const denied = await ask(url, 'di', { max_tokens: 2_000 })
    expect(denied.status).toBe(429)
    expect(Number(denied.headers.get('retry-after'))).toBeLessThanOrEqual(10)
    finish(answer, 100)
    await response.text()
    await eventually(async () => expect(await remaining('tokens:di')).toBe(2_900))
    const [another, allowed] = await begin()
    expect(allowed.status).toBe(200)
    finish(another, 100)
    await allowed.text()
  })
})

describe('the recipe for five exports at once', () => {
  itShowsCommands('recipes/exports', 'The limit')

  it('runs five exports of a user at once, and another one when one of them has ended', async () => {
    const url = await start('exports')
    const run = async () => (await fetch(`${url}/export`, { headers: { 'x-user': 'bob' } })).status
    const statuses = await Promise.all(Array.from({ length: 8 }, run))
    expect(statuses.toSorted()).toEqual([200, 200, 200, 200, 200, 429, 429, 429])
    await eventually(async () => expect(await run()).toBe(200))
  })
})

describe('the recipe for user, team and organisation', () => {
  itShowsCommands('recipes/teams', 'The limits')

  it('spends from none of the three limits if one denies', async () => {
    const url = await start('teams')
    const ask = (user: string) => fetch(`${url}/?user=${user}&team=red&organisation=acme`)
    await admin.request('DELETE', '/buckets/org%3Aacme')
    for (let i = 0; i < 2; i++) expect((await ask('bob')).status).toBe(200)
    const denied = await ask('bob')
    expect([denied.status, await denied.json()]).toEqual([429, { denied: ['user:bob'] }])
    expect(Number(denied.headers.get('retry-after'))).toBeGreaterThan(50)
    expect([await remaining('team:red'), await remaining('org:acme')]).toEqual([1, 98])
    expect((await ask('cy')).status).toBe(200)
    expect(await (await ask('cy')).json()).toEqual({ denied: ['team:red'] })
    expect([await remaining('user:cy'), await remaining('org:acme')]).toEqual([1, 97])
  })
})

describe('the recipe for failed logins', () => {
  itShowsCommands('recipes/failed-logins', 'The limit')

  it('lets five attempts fail, however many are made at once, and does not count successful ones', async () => {
    const url = await start('failed-logins')
    const logIn = async (password: string) => {
      const response = await fetch(`${url}/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ password }),
      })
      return response.status
    }
    const key = 'login:ip:127.0.0.1'
    for (let i = 0; i < 8; i++) expect(await logIn('correct horse battery staple')).toBe(204)
    await eventually(async () => expect(await remaining(key)).toBe(5))
    const statuses = await Promise.all(Array.from({ length: 30 }, () => logIn('wrong')))
    expect(statuses.filter(status => status === 401)).toHaveLength(5)
    expect(statuses.filter(status => status === 429)).toHaveLength(25)
    await eventually(async () => expect(await remaining(key)).toBe(0))
    expect(await logIn('correct horse battery staple')).toBe(429)
  })
})
