import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { Fifo } from '../support/fifo.ts'
import { freePort } from '../support/free-port.ts'
import { descendantsOf, pidsWithVariable } from '../support/processes.ts'
import { STOP_LIMIT_MS } from '../support/stops.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Their log lines exceed the capacity of a pipe. */
const REQUESTS = 5_000
const CONCURRENCY = 50

let dataDir: string
let client: Client
let port: number
let fifo: Fifo
const started: ChildProcess[] = []
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'throttler-data-'))
  fifo = new Fifo()
  port = await freePort()
  client = new Client(`http://127.0.0.1:${port}`)
})
afterEach(async () => {
  for (const pid of pidsWithVariable('DATA_DIR', dataDir)) process.kill(pid, 'SIGKILL')
  for (const child of started.splice(0)) child.kill('SIGKILL')
  fifo.close()
  await rm(dataDir, { recursive: true, force: true })
})

function spawnNode(
  args: readonly string[],
  stdout: number | 'pipe',
  env: NodeJS.ProcessEnv = process.env,
): ChildProcess {
  const child = spawn('node', args, { cwd: dataDir, env, stdio: ['ignore', stdout, 'inherit'] })
  started.push(child)
  return child
}

function start(stdout: number | 'pipe'): ChildProcess {
  const env = {
    PATH: process.env['PATH'],
    PORT: String(port),
    WORKER_METRICS_PORT: '0',
    WEB_CONCURRENCY: '2',
    DATA_DIR: dataDir,
    LOG_LEVEL: 'debug',
  }
  return spawnNode([join(ROOT, 'dist/src/main.js')], stdout, env)
}

const answersChecks = () => eventually(async () => expect((await client.check('a')).status).toBe(200))

async function requestMany(requests: number): Promise<void> {
  for (let sent = 0; sent < requests; sent += CONCURRENCY) {
    await Promise.all(Array.from({ length: CONCURRENCY }, () => client.check(`key-${sent}`)))
  }
}

async function stop(service: ChildProcess): Promise<{ code: number; tookMs: number }> {
  const exited = once(service, 'exit')
  const startedAt = performance.now()
  service.kill('SIGTERM')
  const [code] = await exited
  return { code, tookMs: performance.now() - startedAt }
}

async function expectCleanStop(service: ChildProcess): Promise<void> {
  const { code, tookMs } = await stop(service)
  expect(code).toBe(0)
  expect(tookMs).toBeLessThan(STOP_LIMIT_MS)
  expect(pidsWithVariable('DATA_DIR', dataDir)).toEqual([])
}

async function replaceOneFront(service: ChildProcess): Promise<void> {
  const fronts = () => descendantsOf(service.pid ?? 0).filter(({ command }) => command.startsWith('throttler front'))
  const [victim] = fronts()
  process.kill(victim?.pid ?? 0, 'SIGKILL')
  await eventually(() => {
    const pids = fronts().map(({ pid }) => pid)
    expect(pids).toHaveLength(2)
    expect(pids).not.toContain(victim?.pid)
  })
}

describe('the service', () => {
  it('starts, answers and stops even if its log cannot be written', async () => {
    const fd = openSync('/dev/full', 'w')
    const service = start(fd)
    await answersChecks()
    await expectCleanStop(service)
    closeSync(fd)
  })

  it.each(['pipe', 'socket'])(
    'answers, replaces a process and stops even if nobody reads its log from a %s',
    async kind => {
      // What Node calls a pipe is a socket, which it does not read before the test does.
      const service = start(kind === 'pipe' ? fifo.writeEnd : 'pipe')
      await answersChecks()
      await requestMany(REQUESTS)
      await replaceOneFront(service)
      await requestMany(REQUESTS / 10)
      await answersChecks()
      await expectCleanStop(service)
    },
  )
})

describe('a process that exits', () => {
  const exitAfter = (lines: number) =>
    `import { createLogger } from '${ROOT}dist/src/observability/logger.js'
    const logger = createLogger({ level: 'info', role: 'test' })
    for (let n = 0; n < ${lines}; n++) logger.info({ n }, 'said')
    process.exit(7)`
  const run = (lines: number, stdout: number | 'pipe') =>
    spawnNode(['--input-type=module', '-e', exitAfter(lines)], stdout)

  it('loses no line that is read in time', async () => {
    const child = run(5_000, 'pipe')
    let text = ''
    child.stdout?.on('data', chunk => {
      text += chunk
    })
    const [code] = await once(child, 'close')
    expect(code).toBe(7)
    const numbers = text
      .trim()
      .split('\n')
      .map(line => JSON.parse(line).n)
    expect(numbers).toEqual(Array.from({ length: 5_000 }, (_, n) => n))
  })

  it('does not wait for an unread pipe', async () => {
    const [code] = await once(run(20_000, fifo.writeEnd), 'exit')
    expect(code).toBe(7)
  })
})
