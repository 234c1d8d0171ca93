import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { describeWithPrometheus, Prometheus, RULES } from '../support/prometheus.ts'
import { Service } from '../support/service.ts'
import { scrapeConfigsOf, serviceMonitor } from '../support/service-monitor.ts'

describeWithPrometheus('a Prometheus that the Prometheus operator configures by the ServiceMonitor', () => {
  let service: Service
  let prometheus: Prometheus
  beforeAll(async () => {
    const workerPort = await freePort()
    service = await Service.start({ env: { WORKER_METRICS_PORT: String(workerPort) } })
    const discovered = [
      { service: 'throttler', port: 'http', address: new URL(service.url).host },
      { service: 'throttler-worker', port: 'metrics', address: `127.0.0.1:${workerPort}` },
    ]
    const scrape_configs = scrapeConfigsOf(serviceMonitor(), discovered)
    prometheus = await Prometheus.start({ rule_files: [RULES], scrape_configs })
    await eventually(async () => expect(await prometheus.value('sum(up)')).toBe(2))
  })
  afterAll(async () => {
    await prometheus.stop()
    await service.stop()
  })

  /** The alerts of which the expressions hold, once all of them have been evaluated after a moment. */
  async function alertsAfter(moment: number) {
    const rules = await prometheus.rules()
    const evaluatedAt = rules.map(({ lastEvaluation }) => Date.parse(lastEvaluation))
    expect(Math.min(...evaluatedAt)).toBeGreaterThan(moment)
    return rules.flatMap(({ name, alerts = [] }) => alerts.map(({ labels }) => [name, labels['job'], labels['role']]))
  }

  it('has no alert while the service is healthy', async () => {
    const scraped = Date.now()
    await eventually(async () => expect(await alertsAfter(scraped)).toEqual([]))
  })

  it('has alerts for both roles when the service is down', async () => {
    await service.stop()
    await eventually(async () => {
      expect(await alertsAfter(0)).toEqual([
        ['ThrottlerDown', 'throttler', 'api'],
        ['ThrottlerDown', 'throttler', 'worker'],
      ])
    })
  })
})
