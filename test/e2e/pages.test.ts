import { afterAll, beforeAll, expect, it } from '@jest/globals'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { configPartition } from '../../src/domain/partition.ts'
import { TestApp } from '../support/app.ts'
import { complaintsOf, describeWithChromium, launchBrowser, picture } from '../support/browser.ts'
import { eventually } from '../support/eventually.ts'
import { failWaitingJobs } from '../support/failed-job.ts'
import { type Store, startStore } from '../support/store.ts'

const KEY_PREFIX = 'pages'
const POLICY = { capacity: 5, refillTokens: 1 }
const TOKEN = { authorization: 'Bearer secret-of-an-admin' }
const QUEUE = `config-${configPartition('failing')}`

/** Bull Board would like to have its letters from elsewhere; the policy keeps it from telling others who looks. */
const FOREIGN_FONTS = /fonts\.googleapis\.com/

describeWithChromium('in a browser', () => {
  let store: Store
  let app: TestApp
  let browser: Browser
  beforeAll(async () => {
    store = await startStore()
    app = await TestApp.start(store, {
      worker: false,
      variables: { ADMIN_TOKENS: 'ann:secret-of-an-admin', KEY_PREFIX },
    })
    browser = await launchBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await app?.close()
    await store?.stop()
  })

  async function open(
    path: string,
    options: BrowserContextOptions = {},
  ): Promise<{ page: Page; complaints: string[] }> {
    const page = await browser.newPage({ viewport: { width: 1200, height: 700 }, ...options })
    const complaints = complaintsOf(page)
    await page.goto(app.url + path)
    return { page, complaints }
  }

  it('Bull Board is refused without a token', async () => {
    const page = await browser.newPage({ httpCredentials: { username: 'ann', password: 'wrong' } })
    const response = await page.goto(`${app.url}/admin/queues`)
    expect(response?.status()).toBe(401)
    expect(await page.content()).not.toContain('Throttler')
  })

  it('Bull Board shows the queues, a failed job with its reason, and retries it', async () => {
    const { body } = await app.as(TOKEN).request('PUT', '/config/failing', POLICY)
    await failWaitingJobs(store, KEY_PREFIX, 'failing', 'the disk is full')

    const { page, complaints } = await open('/admin/queues', {
      httpCredentials: { username: 'ann', password: 'secret-of-an-admin' },
    })
    for (const name of ['config-0', 'config-1', 'config-2', 'config-3']) await page.getByText(name).first().waitFor()
    await page.goto(`${app.url}/admin/queues/queue/${QUEUE}?status=failed`)
    await page.getByText('the disk is full').first().waitFor()
    await page.getByText(body.commandId).first().waitFor()
    await picture(page, 'bull-board')

    await page.locator('button:has-text("Retry"), [aria-label*="etry"], [title*="etry"]').first().click()
    await confirm(page)
    await app.startWorker()
    await eventually(async () => {
      expect((await app.as(TOKEN).get(`/commands/${body.commandId}`)).body).toMatchObject({
        status: 'applied',
        version: 1,
      })
    })
    expect(complaints.filter(complaint => !FOREIGN_FONTS.test(complaint))).toEqual([])
  })

  it('Swagger UI shows every call, and tries one out', async () => {
    const { page, complaints } = await open('/docs')
    await page.getByText('/check/batch').waitFor()
    await picture(page, 'swagger-ui')
    await page.locator('#operations-service-getHealth').click()
    await page.getByRole('button', { name: 'Try it out' }).click()
    await page.getByRole('button', { name: 'Execute' }).click()
    await page.locator('.live-responses-table').getByText('"circuit"').first().waitFor()
    expect(complaints).toEqual([])
  })
})

async function confirm(page: Page): Promise<void> {
  const button = page.getByRole('button', { name: /confirm|ok|yes/i })
  if (await button.isVisible()) await button.click()
}
