import { afterAll, beforeAll } from '@jest/globals'
import { Collector } from './collector.ts'

/** A collector for all tests of a file. OpenTelemetry's SDK finds its variables in the environment of the tests' process. */
export function givenCollector(): { readonly collector: Collector } {
  let collector: Collector
  beforeAll(async () => {
    collector = await Collector.start()
    Object.assign(process.env, collector.variables)
  })
  afterAll(async () => {
    for (const name of Object.keys(collector.variables)) delete process.env[name]
    await collector.stop()
  })
  return {
    get collector() {
      return collector
    },
  }
}
