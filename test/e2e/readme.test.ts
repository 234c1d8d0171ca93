import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { linkCheckout } from '../support/checkout.ts'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { describeWithTerminal } from '../support/describe-with-terminal.ts'
import { itGivesTheTour, itShows, shellCommands } from '../support/readme.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

let directory: string
let checkout: string
beforeAll(async () => {
  checkout = await linkCheckout()
  directory = await mkdtemp(join(tmpdir(), 'throttler-readme-'))
})
afterAll(() => Promise.all([directory, checkout].map(path => rm(path, { recursive: true }))))

/** Runs a command that keeps running, until a line of its output matches. */
async function start(command: string, env: Readonly<Record<string, string>>, pattern: RegExp) {
  const variables = { PATH: process.env['PATH'], PORT: '0', WORKER_METRICS_PORT: '0', ...env }
  const shell = spawn('sh', ['-c', command], {
    cwd: checkout,
    env: variables,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface({ input: shell.stdout })) {
    const match = pattern.exec(line)
    if (match === null) continue
    shell.stdout.resume()
    return { shell, match }
  }
  throw new Error(`"${command}" ended`)
}

async function stop(shell: ChildProcess): Promise<void> {
  const closed = once(shell, 'close')
  process.kill(-(shell.pid ?? 0), 'SIGTERM')
  await closed
}

describe('the section "Run it" of the README', () => {
  it('installs and starts the service, which logs how to try it', async () => {
    const [install, run = ''] = shellCommands('Run it')
    expect(install).toBe('npm ci')
    const { shell, match } = await start(run, { DATA_DIR: join(directory, 'data') }, /"try: (curl .*)"}$/)
    const { stdout } = spawnSync('sh', ['-c', JSON.parse(`"${match[1]}"`)], { encoding: 'utf8' })
    expect(stdout).toMatch(/^HTTP\/1.1 200 OK/)
    await stop(shell)
  })
})

describe('the README, tested with a new service,', () => {
  let service: Service
  beforeAll(async () => {
    service = await Service.start()
  })
  afterAll(() => service.stop())

  describe('gives a tour', () => itGivesTheTour(() => service))

  describeWithTerminal('operates it', () =>
    itShows('Operate', () => ({
      isOnTerminal: true,
      cwd: checkout,
      env: { DATA_DIR: service.dataDir },
      replaced: { 'policies.ndjson': join(directory, 'policies.ndjson') },
    })),
  )
})

describe('the section "Deploy" of the README', () => {
  const [startFront = '', startWorker = '', makeToken = '', ...others] = shellCommands('Deploy')

  describeWithRedis('with Redis', () => {
    it('starts front processes and a worker, which together apply a change', async () => {
      const redis = await RedisServer.start()
      const withRedis = (command: string) => command.replace('redis://127.0.0.1:6379', redis.url)
      const front = await start(withRedis(startFront), {}, /listening on (http:[^ "]+)/)
      const worker = await start(withRedis(startWorker), {}, /ready to take commands/)
      const { status } = await new Client(front.match[1] ?? '').put('user:*', { capacity: 3, refillTokens: 1 })
      expect(status).toBe(201)
      await stop(front.shell)
      await stop(worker.shell)
      await redis.stop()
    })
  })

  it('has the same Compose commands as docker-compose.yml', async () => {
    expect(others).toEqual(['docker compose up -d'])
    const compose = await readFile(join(ROOT, 'docker-compose.yml'), 'utf8')
    for (const command of [makeToken, ...others]) expect(compose).toContain(`#   ${command}\n`)
  })

  describe('with a token', () => {
    let service: Service
    beforeAll(async () => {
      expect(spawnSync('sh', ['-c', makeToken], { cwd: directory }).status).toBe(0)
      service = await Service.start({ env: { ADMIN_TOKENS_FILE: join(directory, 'secrets/admin-tokens') } })
    })
    afterAll(() => service.stop())

    itShows('Deploy', () => ({ cwd: directory, replaced: { 'localhost:8080': new URL(service.url).host } }))
  })
})
