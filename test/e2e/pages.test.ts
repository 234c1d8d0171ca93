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
/** Collapse the sidebar, details, full screen, settings, workers. */
const BUTTONS_OF_EVERY_QUEUE = ['panel-left', 'info', 'maximize', 'settings', 'users']
const QUEUE = `config-${configPartition('failing')}`

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
  ): Promise<{ page: Page; complaints: string[]; foreign: string[] }> {
    const page = await browser.newPage(options)
    const complaints = complaintsOf(page)
    const foreign = foreignRequestsOf(page)
    await page.goto(app.url + path)
    return { page, complaints, foreign }
  }

  /** Requests to other hosts, filled as the page sends them. */
  function foreignRequestsOf(page: Page): string[] {
    const foreign: string[] = []
    const isForeign = (url: string) => /^https?:/.test(url) && new URL(url).origin !== app.url
    page.on('request', request => isForeign(request.url()) && foreign.push(request.url()))
    return foreign
  }

  it('Bull Board is refused with a wrong token', async () => {
    const page = await browser.newPage({ httpCredentials: { username: 'ann', password: 'wrong' } })
    const response = await page.goto(`${app.url}/admin/queues`)
    expect(response?.status()).toBe(401)
    expect(await page.content()).not.toContain('Throttler')
  })

  it('Bull Board shows the queues, a failed job with its reason, and retries it', async () => {
    const { body } = await app.as(TOKEN).request('PUT', '/config/failing', POLICY)
    await failWaitingJobs(store, KEY_PREFIX, 'failing', 'the disk is full')

    const { page, complaints, foreign } = await open('/admin/queues', {
      httpCredentials: { username: 'ann', password: 'secret-of-an-admin' },
      viewport: { width: 1400, height: 600 },
    })
    expect(await page.title()).toBe('Throttler')
    for (let partition = 0; partition < 4; partition++)
      await page.getByText(`Policy changes, partition ${partition}`).first().waitFor()
    expect(await menuOf(page)).toEqual(['Retry 1 failed jobs in all queues', 'Sort by'])
    await page.goto(`${app.url}/admin/queues/queue/${QUEUE}?status=failed`)
    await page.getByText('the disk is full').first().waitFor()
    await page.getByText(body.commandId).first().waitFor()
    expect(await buttonsOf(page)).toEqual([...BUTTONS_OF_EVERY_QUEUE, 'refresh-cw', 'refresh-cw', 'copy'])
    await picture(page, 'bull-board')
    await page.goto(`${app.url}/admin/queues/queue/${QUEUE}?status=completed`)
    await page.getByText('No completed jobs').waitFor()
    expect(await buttonsOf(page)).toEqual(BUTTONS_OF_EVERY_QUEUE)
    await page.goto(`${app.url}/admin/queues/queue/${QUEUE}?status=failed`)

    await page.getByRole('button', { name: 'Retry all' }).click()
    await confirm(page)
    await app.startWorker()
    await eventually(async () => {
      expect((await app.as(TOKEN).get(`/commands/${body.commandId}`)).body).toMatchObject({
        status: 'applied',
        version: 1,
      })
    })
    expect([complaints, foreign]).toEqual([[], []])
  })

  it('Swagger UI shows every call, and can try one out', async () => {
    const { page, complaints, foreign } = await open('/docs', { viewport: { width: 1200, height: 900 } })
    expect(await page.title()).toBe('Throttler API')
    await page.getByText('/check/batch').waitFor()
    expect(await page.locator('link[rel="icon"]').getAttribute('href')).toBe('/docs/static/theme/favicon.svg')
    expect(await page.locator('.topbar').count()).toBe(0)
    const errors = await page.getByRole('link', { name: 'The error codes' }).getAttribute('href')
    expect(await (await fetch(String(errors))).text()).toContain('| `quota-exceeded` | 429 |')
    await picture(page, 'swagger-ui')
    await page.locator('#operations-service-getHealth').click()
    await page.getByRole('button', { name: 'Try it out' }).click()
    await page.getByRole('button', { name: 'Execute' }).click()
    await page.locator('.live-responses-table').getByText('"circuit"').first().waitFor()
    expect([complaints, foreign]).toEqual([[], []])
  })
})

/** The icons of the visible buttons. */
function buttonsOf(page: Page): Promise<string[]> {
  return page
    .locator('button:visible svg[class*="lucide-"]')
    .evaluateAll(icons => icons.map(icon => /lucide-([a-z-]+)/.exec(icon.getAttribute('class') ?? '')?.[1] ?? ''))
}

/** The items in the menu of all queues. */
async function menuOf(page: Page): Promise<string[]> {
  await page.locator('button:visible:has(.lucide-ellipsis-vertical)').click()
  await page.getByRole('menuitem').first().waitFor()
  return page.locator('[role="menuitem"]:visible').allInnerTexts()
}

async function confirm(page: Page): Promise<void> {
  const button = page.getByRole('button', { name: /confirm|ok|yes/i })
  if (await button.isVisible()) await button.click()
}
