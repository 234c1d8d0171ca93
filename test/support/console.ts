import { expect } from '@jest/globals'
import axe from 'axe-core'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { complaintsOf } from './browser.ts'
import { eventually } from './eventually.ts'

const CHANGES = { username: 'ann', password: 'secret-of-an-admin' }
/** For calls that the test makes for the page: only the browser waits to be asked for a password. */
const AUTHORIZATION = `Bearer ${CHANGES.password}`
const READS = { username: 'eve', password: 'secret-of-a-reader' }
/** The tokens of an operator who may change, and of one who may only read. */
export const CONSOLE_TOKENS = `ann:${CHANGES.password},eve:${READS.password}:read`

export const NARROW = { width: 320, height: 640 }

const WIDTHS = `(({ scrollWidth, clientWidth }) => ({ scrollWidth, clientWidth }))(document.documentElement)`

/** Chromium logs each refusal of the service, such as a 404 for a policy that does not exist. */
const REFUSAL = /^Failed to load resource: the server responded with a status of/

/** The console in a browser. */
export class OpenConsole {
  readonly page: Page
  /** Errors of the page, and requests to other hosts. */
  readonly complaints: readonly string[]

  private constructor(page: Page, complaints: readonly string[]) {
    this.page = page
    this.complaints = complaints
  }

  /** @param place a fragment, such as `#/policies` */
  static async open(
    browser: Browser,
    url: string,
    place: string,
    { isReadOnly = false, ...options }: BrowserContextOptions & { isReadOnly?: boolean } = {},
  ): Promise<OpenConsole> {
    const page = await browser.newPage({ httpCredentials: isReadOnly ? READS : CHANGES, ...options })
    const complaints = complaintsOf(page)
    const isForeign = (requested: string) => /^https?:/.test(requested) && new URL(requested).origin !== url
    page.on('request', request => isForeign(request.url()) && complaints.push(request.url()))
    await page.goto(`${url}/console${place}`)
    await page.locator('h1').waitFor()
    return new OpenConsole(page, complaints)
  }

  /** Another view of the same page. */
  async go(place: string): Promise<void> {
    await this.page.evaluate(`location.hash = ${JSON.stringify(place)}`)
  }

  /** Presses every button to try again. Some loads have succeeded by themselves. */
  async retryAll(): Promise<void> {
    await this.page
      .getByRole('button', { name: 'Try again' })
      .evaluateAll(buttons => buttons.map(button => button.dispatchEvent(new Event('click'))))
  }

  button(name: string | RegExp) {
    return this.page.getByRole('button', { name, exact: typeof name === 'string' })
  }

  async shows(text: string | RegExp): Promise<void> {
    await this.page.getByText(text).first().waitFor()
  }

  /** Expects the view, once it is loaded, to be accessible, and to fit the width of the window. */
  async expectNoFault(): Promise<void> {
    await this.expectFits()
    await this.page.evaluate(axe.source)
    const violations = await this.page.evaluate(
      `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, ...nodes.map(node => node.html)]))`,
    )
    expect(violations).toEqual([])
  }

  async expectFits(): Promise<void> {
    await this.page.locator('[aria-busy]').first().waitFor({ state: 'detached' })
    // A busy browser lays a page out some time after its window has changed.
    await eventually(async () => {
      const { scrollWidth, clientWidth } = (await this.page.evaluate(WIDTHS)) as Record<string, number>
      expect(scrollWidth).toBeLessThanOrEqual(Number(clientWidth))
    })
  }

  /** Makes the calls to a path fail, or return something else, until `restore`. */
  async answer(path: string, status: number, body: object): Promise<void> {
    await this.page.route(
      url => url.pathname.startsWith(path),
      route => route.fulfill(answerOf(status, body)),
    )
  }

  /** Sends the changes to a path, and replaces their answers by an outage, until `restore`. */
  async loseAnswers(path: string, outage: object): Promise<void> {
    await this.page.route(
      url => url.pathname.startsWith(path),
      async route => {
        if (route.request().method() === 'GET' || route.request().url().includes('dryRun')) return route.continue()
        const made = await route.fetch({ headers: { ...route.request().headers(), authorization: AUTHORIZATION } })
        expect(made.ok()).toBe(true)
        return route.fulfill(answerOf(503, outage))
      },
    )
  }

  /** Lets the service answer changes to a path before their outcome is known, until `restore`. */
  async doNotWaitForOutcomes(path: string): Promise<void> {
    await this.page.route(
      url => url.pathname.startsWith(path),
      route => {
        const { prefer: _, ...headers } = route.request().headers()
        return route.continue({ headers: { ...headers, authorization: AUTHORIZATION } })
      },
    )
  }

  restore(): Promise<void> {
    return this.page.unrouteAll({ behavior: 'wait' })
  }

  async close(): Promise<void> {
    await this.page.close()
    expect(this.complaints.filter(text => !REFUSAL.test(text))).toEqual([])
  }
}

function answerOf(status: number, body: object) {
  const contentType = status < 400 ? 'application/json' : 'application/problem+json'
  return { status, contentType, body: JSON.stringify(body) }
}
