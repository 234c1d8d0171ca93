import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, expect, it } from '@jest/globals'
import { createLogger } from '../../../src/observability/logger.ts'
import { stopInOrder } from '../../../src/processes/stop-in-order.ts'
import { SupervisedProcess } from '../../../src/processes/supervised-process.ts'

/** Fails when it is told to stop. */
const FAILING = `
  process.on('SIGTERM', () => undefined)
  process.on('message', ({ type }) => type === 'stop' && process.exit(1))
`
const STARTING = `${FAILING}; process.send({ type: 'alive' })`
const READY = `${FAILING}; process.send({ type: 'ready' })`

const processes: SupervisedProcess[] = []
afterEach(async () => {
  await Promise.all(processes.splice(0).map(supervised => supervised.stop()))
})

function given(name: string, code = ''): SupervisedProcess {
  const supervised = new SupervisedProcess({
    name,
    logger: createLogger({ level: 'silent', role: 'test' }),
    stopTimeoutMs: 60_000,
    spawn: (): ChildProcess => fork('-', [], { execArgv: ['--eval', code], env: {} }),
  })
  processes.push(supervised)
  return supervised
}

/** Resolves once it has spoken. */
async function started(supervised: SupervisedProcess): Promise<SupervisedProcess> {
  const spoke = once(supervised, 'message')
  void supervised.start()
  await spoke
  return supervised
}

it.each([
  ['is kept if a store fails to stop that has accepted nothing, since it is still starting', STARTING, true],
  ['is lost if a store fails to stop that was ready', READY, false],
])('what was accepted %s', async (_, code, isKept) => {
  const store = await started(given('store', code))
  expect(await stopInOrder({ front: given('front'), worker: given('worker'), store })).toBe(isKept)
})

it('what was accepted is lost if a worker fails to stop, also if the store is just starting again', async () => {
  const [store, worker] = [await started(given('store', STARTING)), await started(given('worker', READY))]
  expect(await stopInOrder({ front: given('front'), worker, store })).toBe(false)
})

it('without an embedded store, everything is kept, however the processes end', async () => {
  const worker = await started(given('worker', READY))
  expect(await stopInOrder({ front: given('front'), worker, store: undefined })).toBe(true)
})
