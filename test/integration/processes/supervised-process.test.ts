import { fork } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, expect, it } from '@jest/globals'
import { createLogger } from '../../../src/logger.ts'
import { SupervisedProcess } from '../../../src/processes/supervised-process.ts'
import { eventually } from '../../support/eventually.ts'
import { isAlive } from '../../support/processes.ts'

/** What a supervised process does, in as few words as can be. */
const CHILD = `
  setInterval(() => process.send({ type: 'alive' }), 200)
  process.on('message', ({ type }) => type === 'stop' && process.exit(0))
  process.on('SIGUSR2', () => { for (;;); })
  process.send({ type: 'ready' })
`

let supervised: SupervisedProcess | undefined
afterEach(async () => {
  await supervised?.stop()
})

async function given(code = CHILD): Promise<SupervisedProcess> {
  supervised = new SupervisedProcess({
    name: 'child',
    logger: createLogger({ level: 'silent', role: 'test' }),
    stopTimeoutMs: 1_000,
    spawn: () => fork('-', [], { execPath: process.execPath, execArgv: ['--eval', code], env: {} }),
  })
  await supervised.start()
  return supervised
}

const pidOf = ({ current }: SupervisedProcess) => current?.pid ?? 0

it('replaces a process whose event loop is blocked', async () => {
  const child = await given()
  const blocked = pidOf(child)
  const replaced = once(child, 'gone')
  process.kill(blocked, 'SIGUSR2')
  await replaced
  await eventually(() => {
    expect(isAlive(blocked)).toBe(false)
    expect(pidOf(child)).not.toBe(0)
  })
}, 30_000)

it('leaves alone a process that says that it lives', async () => {
  const child = await given()
  const pid = pidOf(child)
  await new Promise(resolve => setTimeout(resolve, 12_000))
  expect(pidOf(child)).toBe(pid)
}, 30_000)

it('replaces a process that dies again and again after pauses that double', async () => {
  const deaths: number[] = []
  const child = await given(`process.send({ type: 'ready' }); setTimeout(() => process.exit(1), 50)`)
  child.on('gone', () => deaths.push(performance.now()))
  await eventually(() => expect(deaths).toHaveLength(5), 15_000)
  const pauses = deaths.slice(1).map((at, i) => at - (deaths[i] ?? 0))
  for (const [i, pause] of pauses.entries()) expect(pause).toBeGreaterThan(100 * 2 ** i)
}, 30_000)
