import { afterEach, expect, it, jest } from '@jest/globals'
import { createLogger } from '../../../src/observability/logger.ts'
import { stopOnRequest } from '../../../src/processes/shutdown.ts'

const logger = createLogger({ level: 'silent', role: 'test' })

afterEach(() => {
  jest.restoreAllMocks()
})

/** The steps of a process whose stop never ends. */
async function stepsOfHungStop(report: () => Promise<void>): Promise<unknown[]> {
  const steps: unknown[] = []
  const exited = new Promise<void>(resolve => {
    jest.spyOn(process, 'exit').mockImplementation(code => {
      steps.push(code)
      resolve()
      return undefined as never
    })
  })
  const beforeForcedExit = () => {
    steps.push('report')
    return report()
  }
  const stop = stopOnRequest(() => new Promise(() => undefined), {
    parent: undefined,
    timeoutMs: 10,
    beforeForcedExit,
    logger,
  })
  stop('SIGTERM')
  await exited
  return steps
}

it('a stop that takes too long reports what the process counted, and then ends the process', async () => {
  expect(await stepsOfHungStop(async () => undefined)).toEqual(['report', 1])
})

it('a report that hangs or fails does not keep the process', async () => {
  expect(await stepsOfHungStop(() => new Promise(() => undefined))).toEqual(['report', 1])
  expect(await stepsOfHungStop(() => Promise.reject(new Error('no channel')))).toEqual(['report', 1])
})
