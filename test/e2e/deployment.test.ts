import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { freePort } from '../../src/processes/free-port.ts'
import { Client } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { isOnPath } from '../support/on-path.ts'
import { describeWithPrometheus, Prometheus } from '../support/prometheus.ts'
import { Service } from '../support/service.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const describeWithCompose = isOnPath('docker-compose') ? describe : describe.skip

/** What a program says of our files, and that it was content. */
function run(program: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: ROOT, encoding: 'utf8' })
  expect([status, stderr]).toEqual([0, expect.not.stringMatching(/error/i)])
  return stdout
}

describeWithCompose('docker-compose.yml', () => {
  const services = () => JSON.parse(run('docker-compose', 'config', '--format', 'json')).services

  it('exposes nothing beyond loopback', () => {
    const ports = Object.values<{ ports?: { host_ip: string }[] }>(services()).flatMap(({ ports = [] }) => ports)
    expect(ports.length).toBeGreaterThan(0)
    expect(ports.every(({ host_ip }) => host_ip === '127.0.0.1')).toBe(true)
  })

  it('checks the health of every service, bounds its memory and gives it a file system that it cannot write', () => {
    for (const [name, service] of Object.entries<object>(services())) {
      expect([name, service]).toEqual([
        name,
        expect.objectContaining({
          healthcheck: expect.anything(),
          mem_limit: expect.anything(),
          read_only: true,
          cap_drop: ['ALL'],
        }),
      ])
    }
  })

  it('gives the service its tokens by file', () => {
    const { api, worker } = services()
    for (const { environment } of [api, worker]) {
      expect(environment).toMatchObject({ ADMIN_TOKENS_FILE: '/run/secrets/admin-tokens' })
      expect(environment).not.toHaveProperty('ADMIN_TOKENS')
    }
  })
})

describeWithPrometheus('deploy/prometheus', () => {
  it('has a configuration and rules that Prometheus takes, and rules that do as they should', () => {
    expect(run('promtool', 'check', 'config', 'deploy/prometheus/prometheus.yml')).toContain('SUCCESS')
    expect(run('promtool', 'check', 'rules', 'deploy/prometheus/rules.yml')).toContain('SUCCESS')
    expect(run('promtool', 'test', 'rules', 'deploy/prometheus/rules.test.yml')).toContain('SUCCESS')
  })
})

describeWithPrometheus('the dashboard', () => {
  interface Panel {
    readonly title: string
    readonly targets: readonly { readonly expr: string }[]
  }
  const { panels } = JSON.parse(
    readFileSync(new URL('../../deploy/grafana/dashboards/throttler.json', import.meta.url), 'utf8'),
  )
  const queries = (panels as Panel[]).flatMap(({ title, targets }) => targets.map(({ expr }) => ({ title, expr })))

  let service: Service
  let prometheus: Prometheus
  let client: Client
  beforeAll(async () => {
    service = await Service.start({ env: { WORKER_METRICS_PORT: String(await freePort('127.0.0.1')) } })
    client = new Client(service.url)
    prometheus = await Prometheus.start(new URL(service.url).host)
    await eventually(async () => expect(await prometheus.value('up')).toBe(1), 20_000)
  }, 40_000)
  afterAll(async () => {
    await prometheus.stop()
    await service.stop()
  })

  /** What an operator's day is made of. */
  async function work(): Promise<void> {
    await client.put('busy', { capacity: 1, refillTokens: 1, description: String(Math.random()) })
    for (let i = 0; i < 5; i++) await client.check('busy')
    await client.check('somebody')
  }

  it('asks for nothing that a service at work does not tell', async () => {
    await eventually(async () => {
      await work()
      const answers = await Promise.all(
        queries.map(async query => ({ ...query, value: await prometheus.value(query.expr) })),
      )
      expect(answers.filter(({ value }) => value === undefined || Number.isNaN(value))).toEqual([])
    }, 30_000)
  }, 40_000)
})
