import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, expect, it } from '@jest/globals'
import { createLogger } from '../../../src/observability/logger.ts'
import { SupervisedProcess } from '../../../src/processes/supervised-process.ts'
import { eventually } from '../../support/eventually.ts'
import { blockUntilEnded, isAlive } from '../../support/processes.ts'

/** A minimal supervised process. */
const CHILD = `
  setInterval(() => process.send({ type: 'alive' }), 200)
  process.on('SIGTERM', () => undefined)
  process.on('message', ({ type }) => type === 'stop' && process.exit(0))
  process.on('SIGUSR2', () => { for (;;); })
  process.send({ type: 'ready' })
`

/** A process that is ready once it gets a message. */
const LATE_CHILD = `process.on('message', () => process.send({ type: 'ready' })); process.send({ type: 'alive' })`

/** So long that no process is killed because the machine is busy. */
const PATIENT_MS = 60_000

let supervised: SupervisedProcess | undefined
afterEach(async () => {
  await supervised?.stop()
})

function run(code: string, execPath = process.execPath): ChildProcess {
  return fork('-', [], { execPath, execArgv: ['--eval', code], env: {} })
}

/** @param code the code that each process runs, or a function that starts each process */
function supervise(code: string | (() => ChildProcess) = CHILD, stopTimeoutMs = PATIENT_MS): SupervisedProcess {
  supervised = new SupervisedProcess({
    name: 'child',
    logger: createLogger({ level: 'silent', role: 'test' }),
    stopTimeoutMs,
    spawn: typeof code === 'string' ? () => run(code) : code,
  })
  return supervised
}

/** The same, once the first process is ready. */
async function given(...options: Parameters<typeof supervise>): Promise<SupervisedProcess> {
  const child = supervise(...options)
  await child.start()
  return child
}

const pidOf = ({ current }: SupervisedProcess) => current?.pid ?? 0

it('the supervisor replaces a process whose event loop is blocked', async () => {
  const child = await given()
  const blocked = pidOf(child)
  const replaced = once(child, 'replaced')
  process.kill(blocked, 'SIGUSR2')
  expect(await replaced).toEqual(['hung'])
  await eventually(() => {
    expect(isAlive(blocked)).toBe(false)
    expect(pidOf(child)).not.toBe(0)
  })
})

it('the supervisor reports why it replaces a process', async () => {
  const child = await given()
  const reasons: string[] = []
  child.on('replaced', reason => reasons.push(reason))
  for (const end of [
    () => process.kill(pidOf(child), 'SIGKILL'),
    () => process.kill(pidOf(child), 'SIGABRT'),
    () => child.send({ type: 'stop', drainMs: 0, replaced: false }),
  ]) {
    const ready = new Promise<void>(resolve => child.on('message', ({ type }) => type === 'ready' && resolve()))
    end()
    await ready
  }
  await child.replace(0)
  await child.stop()
  expect(reasons).toEqual(['killed', 'crashed', 'crashed', 'replaced'])
})

it('the supervisor counts successors that cannot start apart from crashes, and keeps their predecessor until one can', async () => {
  const failing = `process.send({ type: 'cannot-start', reason: 'no tokens' }, undefined, {}, () => process.exit(1))`
  const codes = [CHILD, failing, failing]
  const child = await given(() => run(codes.shift() ?? CHILD))
  const predecessor = child.current
  const reasons: [string, boolean][] = []
  child.on('replaced', reason => reasons.push([reason, child.working[0] === predecessor]))
  await child.replace(0)
  expect(reasons).toEqual([
    ['cannot-start', true],
    ['cannot-start', true],
    ['replaced', true],
  ])
  expect(child.working).toEqual([child.current])
})

it('the supervisor restarts a successor that does not become ready, and keeps the predecessor until the new one is ready', async () => {
  const codes = [CHILD, LATE_CHILD]
  const child = await given(() => run(codes.shift() ?? CHILD))
  const predecessor = child.current
  const reasons: [string, boolean][] = []
  child.on('replaced', reason => reasons.push([reason, child.working[0] === predecessor]))
  const replaced = child.replace(0)
  const successor = child.current as ChildProcess
  await once(successor, 'message')
  child.restart(successor)
  await replaced
  child.restart(child.current as ChildProcess)
  expect(reasons).toEqual([
    ['replaced', true],
    ['replaced', true],
  ])
  expect(child.current).not.toBe(successor)
  expect(child.working).toEqual([child.current])
})

it('the supervisor does not restart the first process: its failure would end the start of all', async () => {
  const child = supervise(LATE_CHILD)
  const started = child.start()
  const first = child.current as ChildProcess
  await once(first, 'message')
  child.restart(first)
  expect(child.current).toBe(first)
  child.send({ type: 'replace' })
  await started
})

it('the supervisor knows a replaced process as ready, but not as working, until it has exited', async () => {
  const child = await given(CHILD.replace('process.exit(0)', 'setTimeout(process.exit, 1_000)'))
  const predecessor = child.current
  await child.replace(0)
  expect(child.ready).toEqual([predecessor, child.current])
  expect(child.working).toEqual([child.current])
  await child.whenPredecessorsExited()
  expect(child.ready).toEqual([child.current])
})

it('the supervisor reports why a process died whose successor had started, and replaces it once', async () => {
  const waiting = `process.on('message', () => process.send({ type: 'ready' })); process.on('SIGTERM', () => process.exit(0))`
  const codes = [CHILD, waiting]
  const child = await given(() => run(codes.shift() ?? CHILD))
  const reasons: string[] = []
  child.on('replaced', reason => reasons.push(reason))
  const predecessor = pidOf(child)
  const replaced = child.replace(0)
  const died = once(child, 'replaced')
  process.kill(predecessor, 'SIGKILL')
  await died
  child.send({ type: 'replace' })
  await replaced
  expect(reasons).toEqual(['killed'])
  expect(child.working).toEqual([child.current])
})

it('the supervisor reports no replacement of a process that ended in order just before it is stopped itself', async () => {
  const child = await given()
  const reasons: string[] = []
  child.on('replaced', reason => reasons.push(reason))
  const gone = once(child, 'gone')
  child.send({ type: 'stop', drainMs: 0, replaced: false })
  await gone
  await child.stop()
  expect(reasons).toEqual([])
})

it('the supervisor does not replace a process that sends heartbeats', async () => {
  const child = await given()
  const pid = pidOf(child)
  await new Promise(resolve => setTimeout(resolve, 12_000))
  expect(pidOf(child)).toBe(pid)
})

it('the supervisor replaces a process that dies repeatedly after pauses that double', async () => {
  const deaths: number[] = []
  const child = await given(`process.send({ type: 'ready' }); setTimeout(() => process.exit(1), 50)`)
  child.on('gone', () => deaths.push(performance.now()))
  await eventually(() => expect(deaths).toHaveLength(5))
  const pauses = deaths.slice(1).map((at, i) => at - (deaths[i] ?? 0))
  for (const [i, pause] of pauses.entries()) expect(pause).toBeGreaterThan(100 * 2 ** i)
})

it('the supervisor retries when a process cannot be started', async () => {
  const starts = [() => run(CHILD), () => run(CHILD, '/nowhere'), () => run(CHILD)]
  const child = await given(() => (starts.shift() ?? (() => run(CHILD)))())
  const spawned: ChildProcess[] = []
  child.on('spawned', process => spawned.push(process))
  const first = pidOf(child)
  process.kill(first, 'SIGKILL')
  await eventually(() => {
    expect(starts).toEqual([])
    expect(pidOf(child)).not.toBe(0)
  })
  expect(pidOf(child)).not.toBe(first)
  expect(spawned).toEqual([child.current])
})

it('the supervisor stops a process in an orderly way even if its successor is not ready yet', async () => {
  const codes = [CHILD, `process.on('message', () => process.exit(0)); process.send({ type: 'alive' })`]
  const child = await given(() => run(codes.shift() ?? CHILD))
  const predecessor = child.current
  const spoke = once(child, 'message')
  void child.replace(0)
  await spoke
  await child.stop()
  expect(predecessor?.exitCode).toBe(0)
})

it('the supervisor starts no process after it is stopped', async () => {
  const child = await given()
  await child.stop()
  void child.replace(0)
  expect(child.current).toBe(undefined)
})

it('the supervisor tolerates a process that dies just before it is asked to stop', async () => {
  const child = await given()
  const pid = pidOf(child)
  process.kill(pid, 'SIGKILL')
  blockUntilEnded(pid)
  await child.stop()
  expect(child.current).toBe(undefined)
})

it.each([
  ['in order, if it does as it is told', CHILD, true],
  [
    'in order, if it is still starting, so that the signal ends it',
    "process.send({ type: 'ready' }); setInterval(() => {}, 1e3)",
    true,
  ],
  ['not in order, if it fails', CHILD.replace('process.exit(0)', 'process.exit(1)'), false],
])('a process stops %s', async (_, code, inOrder) => {
  const child = await given(code)
  expect(await child.stop()).toBe(inOrder)
})

it('a process stops in order also if its successor has just found that it cannot start', async () => {
  const failing = `process.on('SIGTERM', () => process.exit(1)); process.send({ type: 'cannot-start', reason: 'no tokens' })`
  const codes = [CHILD, failing]
  const child = await given(() => run(codes.shift() ?? CHILD))
  const found = new Promise<void>(resolve => child.on('message', ({ type }) => type === 'cannot-start' && resolve()))
  void child.replace(0)
  await found
  expect(await child.stop()).toBe(true)
})

it('a process stops not in order, if it has to be killed', async () => {
  const child = await given(CHILD.replace('process.exit(0)', '0'), 1_000)
  expect(await child.stop()).toBe(false)
})
