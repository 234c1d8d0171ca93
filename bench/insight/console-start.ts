import { chromium } from 'playwright-core'
import { pathOf } from '../../test/support/on-path.ts'
import { Service } from '../../test/support/service.ts'
import { median } from '../report/statistics.ts'

const LOADS = 9

/**
 * Time from the navigation until the overview has its data and can be used, in ms, on the embedded service: the median of loads without
 * a cache. `undefined` without Chromium.
 */
export async function measureConsoleStart(): Promise<number | undefined> {
  const executablePath = pathOf('chromium')
  if (executablePath === undefined) return undefined
  const service = await Service.start()
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
  try {
    const times: number[] = []
    for (let load = 0; load < LOADS; load++) {
      const context = await browser.newContext()
      const page = await context.newPage()
      const startedAt = performance.now()
      await page.goto(`${service.url}/console#/overview`)
      await page.getByText('closed', { exact: true }).waitFor()
      await page.getByRole('link', { name: 'Policies' }).click()
      await page.locator('h1').getByText('Policies').waitFor()
      times.push(performance.now() - startedAt)
      await context.close()
    }
    return median(times)
  } finally {
    await browser.close()
    await service.stop()
  }
}
