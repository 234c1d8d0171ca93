import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, it } from '@jest/globals'
import { EmbeddedStore } from '../support/embedded-store.ts'
import { freePort } from '../support/free-port.ts'
import { promised } from '../support/promised.ts'

/** Where no store listens. */
const NOWHERE = 'redis://127.0.0.1:1'

it.each(['dist/src/cluster.js', 'dist/workers/config.worker.js', 'dist/src/embedded/store.js'])(
  '%s ends by itself if its parent ended before it could notice',
  async entry => {
    const dataDir = await mkdtemp(join(tmpdir(), 'throttler-data-'))
    const port = await freePort()
    const child = fork(fileURLToPath(new URL(`../../${entry}`, import.meta.url)), ['--supervised', String(port)], {
      env: { PATH: process.env['PATH'], PORT: '0', DATA_DIR: dataDir, REDIS_URL: `redis://127.0.0.1:${port}` },
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc', 'ignore'],
    })
    const exited = once(child, 'exit')
    const start = performance.now()
    child.disconnect()
    await exited
    expect(performance.now() - start).toBeLessThan(promised(5_000))
    await rm(dataDir, { recursive: true, force: true })
  },
)

it('a worker that has lost its parent and its store does not wait for its queue to be empty', async () => {
  const port = await freePort()
  const worker = fork(
    fileURLToPath(new URL('../../dist/workers/config.worker.js', import.meta.url)),
    ['--supervised', '--empty-queue-first'],
    {
      env: { PATH: process.env['PATH'], WORKER_METRICS_PORT: '0', REDIS_URL: `redis://127.0.0.1:${port}` },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    },
  )
  const exited = once(worker, 'exit')
  await new Promise<void>(resolve =>
    worker.on('message', ({ type }: { type: string }) => type === 'ready' && resolve()),
  )
  worker.disconnect()
  expect(await exited).toEqual([0, null])
})

it.each(['dist/src/cluster.js', 'dist/workers/config.worker.js'])(
  '%s that is still loading ends in order when its parent is lost',
  async entry => {
    const path = fileURLToPath(new URL(`../../${entry}`, import.meta.url))
    // Node.js 24 loads all modules in one turn of the event loop, so the process may read its settings before it notices.
    const env = { PATH: process.env['PATH'], REDIS_URL: NOWHERE, PORT: '0', WORKER_METRICS_PORT: '0' }
    const child = fork(path, ['--supervised'], { env, silent: true })
    const exited = once(child, 'exit')
    child.disconnect()
    expect(await exited).toEqual([0, null])
  },
)

it('a process that sends to its parent just after the parent was killed continues', async () => {
  const link = new URL('../../dist/src/processes/parent-link.js', import.meta.url)
  const child = `
    import { ParentLink } from ${JSON.stringify(link.href)}
    process.kill(process.ppid, 'SIGKILL')
    const until = performance.now() + 200
    while (performance.now() < until);
    new ParentLink().send({ type: 'alive' })
    setTimeout(() => process.stdout.write('goes on'), 200)
  `
  const parent = `
    const execArgv = ['--input-type=module', '--eval', ${JSON.stringify(child)}]
    require('node:child_process').fork('-', [], { execArgv })
  `
  const { stdout } = spawn(process.execPath, ['--eval', parent], { stdio: ['ignore', 'pipe', 'inherit'] })
  expect(await text(stdout)).toBe('goes on')
})

it('an idle store, or one that is still replaying its journal, ends at once with its parent', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'throttler-data-'))
  for (const isReady of [true, false]) {
    const store = isReady ? await EmbeddedStore.start({ dataDir }) : EmbeddedStore.spawn({ dataDir })
    const exited = once(store.process, 'exit')
    const start = performance.now()
    store.process.disconnect()
    await exited
    // A store with connected clients would wait for them.
    expect(performance.now() - start).toBeLessThan(promised(3_000))
  }
  await rm(dataDir, { recursive: true, force: true })
})

it('a front process reports no error if its primary was killed just before it listens', async () => {
  const front = new URL('../../dist/src/processes/front-process.js', import.meta.url)
  const child = `
    import { createServer } from 'node:net'
    import { ignoreLostPrimary } from ${JSON.stringify(front.href)}
    ignoreLostPrimary()
    process.kill(process.ppid, 'SIGKILL')
    const until = performance.now() + 200
    while (performance.now() < until);
    createServer().listen(0)
  `
  const primary = `
    const cluster = require('node:cluster')
    const execArgv = ['--input-type=module', '--eval', ${JSON.stringify(child)}]
    cluster.setupPrimary({ exec: '-', args: [], execArgv })
    cluster.fork()
  `
  const { stderr } = spawn(process.execPath, ['--eval', primary], { stdio: ['ignore', 'ignore', 'pipe'] })
  expect(await text(stderr)).toBe('')
})
