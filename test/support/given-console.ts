import { afterAll, afterEach, beforeAll } from '@jest/globals'
import type { Browser } from 'playwright-core'
import { TestApp } from './app.ts'
import { launchBrowser } from './browser.ts'
import type { Client } from './client.ts'
import { CONSOLE_TOKENS, OpenConsole } from './console.ts'
import { startStore } from './store.ts'

interface GivenConsole {
  /** An operator who may change. */
  readonly admin: Client
  readonly browser: Browser
  /** Opens the console at a place, until the test ends. */
  at(place: string, options?: Parameters<typeof OpenConsole.open>[3]): Promise<OpenConsole>
}

/** A service with a console, and a browser, for all tests of a file. @param seed stores what the tests look at */
export function givenConsole(seed: (admin: Client) => Promise<void>): GivenConsole {
  const closers: (() => Promise<unknown>)[] = []
  let app: TestApp
  let admin: Client
  let browser: Browser
  let open: OpenConsole | undefined
  beforeAll(async () => {
    const store = await startStore()
    closers.unshift(() => store.stop())
    app = await TestApp.start(store, { variables: { ADMIN_TOKENS: CONSOLE_TOKENS, ADMIN_CAPACITY: '100000' } })
    closers.unshift(() => app.close())
    admin = app.as({ authorization: 'Bearer secret-of-an-admin' })
    browser = await launchBrowser()
    closers.unshift(() => browser.close())
    await seed(admin)
  })
  afterEach(async () => {
    await open?.close()
    open = undefined
  })
  afterAll(async () => {
    for (const close of closers) await close()
  })
  return {
    get admin() {
      return admin
    },
    get browser() {
      return browser
    },
    at: async (place, options) => {
      open = await OpenConsole.open(browser, app.url, place, options)
      return open
    },
  }
}
