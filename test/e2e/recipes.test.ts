import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { ClientPackage } from '../support/client-package.ts'
import { recipe } from '../support/recipe.ts'
import { Service } from '../support/service.ts'

/** The code that makes an application of this kind listen and print its URL. */
const LISTEN = {
  fastify: "console.log(await app.listen({ port: 0, host: '127.0.0.1' }))",
  express: "const server = app.listen(0, '127.0.0.1', () => console.log('http://127.0.0.1:' + server.address().port))",
} as const

let service: Service
let client: ClientPackage
let directory: string
beforeAll(async () => {
  // With one process, a change is obeyed as soon as it is reported as applied.
  service = await Service.start({ env: { WEB_CONCURRENCY: '1' } })
  client = await ClientPackage.pack()
  directory = await client.install('module', Object.keys(LISTEN))
}, 120_000)
afterAll(async () => {
  await service.stop()
  await client.remove()
})

/** Starts the recipe as a program that uses this service. */
async function start(name: keyof typeof LISTEN): Promise<{ url: string; program: ChildProcess }> {
  const source = recipe(name, 'ts', { 'http://127.0.0.1:8080': service.url })
  const file = join(directory, `${name}.js`)
  await writeFile(file, `${source}\n${LISTEN[name]}\n`)
  const program = spawn('node', [file], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [url] = await once(createInterface({ input: program.stdout }), 'line')
  return { url, program }
}

describe.each(Object.keys(LISTEN) as (keyof typeof LISTEN)[])('the recipe for %s', name => {
  it('serves allowed requests, and reports to denied ones when to retry', async () => {
    const admin = new Client(service.url)
    await admin.put('ip:*', { capacity: 1, refillTokens: 1, refillIntervalMs: 100_000 })
    await admin.request('DELETE', '/buckets/ip%3A127.0.0.1')
    const { url, program } = await start(name)
    const allowed = await fetch(url)
    expect([allowed.status, await allowed.json()]).toEqual([200, { hello: 'world' }])
    expect(allowed.headers.get('ratelimit')).toMatch(/^"default";r=0;t=\d+$/)
    const denied = await fetch(url)
    expect([denied.status, await denied.json()]).toMatchObject([429, { title: 'The rate limit is exceeded' }])
    expect(Number(denied.headers.get('retry-after'))).toBeGreaterThan(90)
    program.kill()
    await once(program, 'exit')
  })
})
