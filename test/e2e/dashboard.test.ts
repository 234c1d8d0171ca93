import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import type { Browser } from 'playwright-core'
import { complaintsOf, describeWithChromium, launchBrowser, picture } from '../support/browser.ts'
import { Client } from '../support/client.ts'
import { colorsOf, consolePage, panels } from '../support/dashboard.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { descriptor, GrpcClient } from '../support/grpc-client.ts'
import { describeWithPrometheus, Prometheus, scraping } from '../support/prometheus.ts'
import { RespClient } from '../support/resp-client.ts'
import { Service } from '../support/service.ts'

const PAGE = 'throttler.html'
const TAKES_PICTURES = process.env['SCREENSHOTS'] === 'true'
/** How much of the past the page shows, in seconds. */
const SHOWN_S = TAKES_PICTURES ? 60 : 10
/** How long the service works before that, in seconds: rates over one minute grow during the first one. */
const WARM_UP_S = TAKES_PICTURES ? 60 : 0

describeWithPrometheus('the dashboard', () => {
  const queries = panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ title, expr })))

  let service: Service
  let prometheus: Prometheus
  let client: Client
  let resp: RespClient
  let grpc: GrpcClient
  beforeAll(async () => {
    const workerPort = await freePort()
    const env = { WORKER_METRICS_PORT: String(workerPort), RESP_PORT: '0', GRPC_PORT: '0' }
    service = await Service.start({ env })
    client = new Client(service.url)
    resp = await RespClient.connect(service.respPort)
    grpc = new GrpcClient(service.grpcPort)
    const targets = [new URL(service.url).host, `127.0.0.1:${workerPort}`]
    prometheus = await Prometheus.start(scraping(...targets), { [PAGE]: consolePage(SHOWN_S) })
    await eventually(async () => expect(await prometheus.value('sum(up)')).toBe(2))
  })
  beforeAll(async () => {
    const limit = { capacity: 1, refillTokens: 1 }
    const limits = [
      { ...limit, name: 'burst', capacity: 1_000_000 },
      { ...limit, name: 'stricter', shadow: true },
    ]
    await client.put('trial:*', { limits })
    await client.put('sold:*', { kind: 'quota', capacity: 1, period: 'month' })
    await client.put('watched:*', { ...limit, mode: 'shadow' })
    await client.put('rls;edge;user', limit)
  })
  afterAll(async () => {
    await resp.end()
    grpc.close()
    await prometheus.stop()
    await service.stop()
  })

  /**
   * Causes a change, allowed checks, denied checks, checks that limits in shadow would deny, one that spends a quota, checks over other
   * protocols, and reservations that are settled, released or neither.
   */
  async function work(): Promise<void> {
    await client.put('busy:*', { capacity: 1, refillTokens: 1, description: String(Math.random()) })
    for (const key of ['busy:1', 'trial:1', 'watched:1']) {
      for (let i = 0; i < 3; i++) await client.check(key)
    }
    await client.check(`sold:${Math.random()}`)
    for (let i = 0; i < 8; i++) await client.check(`user:${i}`)
    await resp.ask('THROTTLE.CHECK', 'user:1')
    await grpc.ask({ domain: 'edge', descriptors: [descriptor('user', '1')] })
    await reserve()
  }

  async function reserve(): Promise<void> {
    const post = (path: string, body: object) => client.request('POST', path, body)
    const begin = async () => (await post('/reservations', { key: `job:${Math.random()}`, tokens: 20 })).body.id
    await post(`/reservations/${await begin()}/settle`, { tokens: 15 })
    await client.request('DELETE', `/reservations/${await begin()}`)
    await begin()
  }

  it('shows what is denied or has failed in red, and never in green', () => {
    const colors = panels.map(colorsOf)
    const bad = colors.flatMap(({ denied, failed }) => [denied, failed]).filter(color => color !== undefined)
    expect(bad).toEqual(['red', 'red', 'red'])
  })

  it('has no query without a value while the service works', async () => {
    await eventually(async () => {
      await work()
      const answers = await Promise.all(
        queries.map(async query => ({ ...query, value: await prometheus.value(query.expr) })),
      )
      expect(answers.filter(({ value }) => value === undefined || Number.isNaN(value))).toEqual([])
    })
  })

  describeWithChromium('in a browser', () => {
    let browser: Browser
    beforeAll(async () => {
      browser = await launchBrowser()
    })
    afterAll(() => browser.close())

    it('has a curve in each of its time series', async () => {
      const end = Date.now() + (WARM_UP_S + SHOWN_S) * 1_000
      for (; Date.now() < end; await sleep(Math.random() * 200)) await work()
      const page = await browser.newPage({ viewport: { width: 1200, height: 760 } })
      const complaints = complaintsOf(page)
      await page.goto(`${prometheus.url}/consoles/${PAGE}`)
      for (const { title, type } of panels) {
        if (type !== 'timeseries') continue
        const panel = page.locator('section', { has: page.getByRole('heading', { name: title, exact: true }) })
        // A level curve has no height, so the browser counts it as hidden.
        await panel.locator('svg path').first().waitFor({ state: 'attached' })
      }
      await picture(page, 'dashboard-queries', { fullPage: true })
      expect(complaints).toEqual([])
    }, 210_000)
  })
})
