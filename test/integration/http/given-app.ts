import { afterAll, beforeAll } from '@jest/globals'
import { type AppOptions, TestApp } from '../../support/app.ts'
import { type Store, startStore } from '../../support/store.ts'

interface GivenApp {
  readonly app: TestApp
  readonly store: Store
  /** Calls this before the store stops. */
  onEnd(close: () => Promise<void>): void
}

/**
 * An app for all tests of a file, closed after them.
 * @param on another app of the file, whose store is used; else the app has a store of its own
 */
export function givenApp(options: AppOptions = {}, on?: GivenApp): GivenApp {
  const closers: (() => Promise<void>)[] = []
  let store: Store
  let app: TestApp
  beforeAll(async () => {
    store = on?.store ?? (await startStore())
    app = await TestApp.start(store, options)
    on?.onEnd(() => app.close())
  })
  afterAll(async () => {
    if (on !== undefined) return
    for (const close of [...closers, () => app.close(), () => store.stop()]) await close()
  })
  return {
    get app() {
      return app
    },
    get store() {
      return store
    },
    onEnd: close => void closers.push(close),
  }
}
