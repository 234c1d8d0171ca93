import { chromium } from 'playwright-core'
import { pathOf } from '../../test/support/on-path.ts'
import { Service } from '../../test/support/service.ts'
import { median } from '../report/statistics.ts'

const LOADS = 9

/**
 * Runs in the page. As soon as the overview has its data, it follows the link to the policies; the console can be used once that view is
 * shown. Whoever drives a browser looks too seldom to tell.
 */
const RECORD_START = `
  const observer = new MutationObserver(() => {
    const isLoaded = [...document.querySelectorAll('dd')].some(({ textContent }) => textContent === 'closed')
    if (isLoaded) document.querySelector('nav a[href="#/policies"]').click()
    if (document.querySelector('h1')?.textContent !== 'Policies') return
    observer.disconnect()
    performance.mark('usable')
  })
  observer.observe(document, { childList: true, subtree: true, characterData: true })
`
const STARTED_AFTER_MS = `performance.getEntriesByName('usable')[0].startTime`

/**
 * Time from the navigation until the overview has its data and can be used, in ms by the clock of the page, on the embedded service: the
 * median of loads without a cache. `undefined` without Chromium.
 */
export async function measureConsoleStart(): Promise<number | undefined> {
  const executablePath = pathOf('chromium')
  if (executablePath === undefined) return undefined
  const service = await Service.start({ isPatient: false })
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
  try {
    const times: number[] = []
    for (let load = 0; load < LOADS; load++) {
      const context = await browser.newContext()
      const page = await context.newPage()
      await page.addInitScript(RECORD_START)
      await page.goto(`${service.url}/console#/overview`)
      await page.getByRole('heading', { name: 'Policies' }).waitFor()
      times.push(Number(await page.evaluate(STARTED_AFTER_MS)))
      await context.close()
    }
    return median(times)
  } finally {
    await browser.close()
    await service.stop()
  }
}
