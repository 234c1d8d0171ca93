import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from '@jest/globals'
import { freePort } from '../../src/processes/free-port.ts'

it.each(['dist/src/cluster.js', 'dist/workers/config.worker.js', 'dist/src/embedded/store.js'])(
  '%s ends by itself when its parent was gone before it looked',
  async entry => {
    const dataDir = await mkdtemp(join(tmpdir(), 'throttler-data-'))
    const port = await freePort('127.0.0.1')
    const child = fork(fileURLToPath(new URL(`../../${entry}`, import.meta.url)), ['--supervised', String(port)], {
      env: { PATH: process.env['PATH'], PORT: '0', DATA_DIR: dataDir, REDIS_URL: `redis://127.0.0.1:${port}` },
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc', 'ignore'],
    })
    const exited = once(child, 'exit')
    const start = performance.now()
    child.disconnect()
    await exited
    expect(performance.now() - start).toBeLessThan(5_000)
    await rm(dataDir, { recursive: true, force: true })
  },
)
