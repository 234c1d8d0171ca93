import { afterAll, beforeAll } from '@jest/globals'
import { type Store, startStore } from '../../support/store.ts'

/** A store for all tests of a file. */
export function given(): () => Store {
  let store: Store
  beforeAll(async () => {
    store = await startStore()
  })
  afterAll(() => store.stop())
  return () => store
}
