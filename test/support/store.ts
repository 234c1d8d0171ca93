import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from './free-port.ts'
import { hasRedisServer, RedisServer } from './redis-server.ts'

export interface Store {
  readonly url: string
  stop(): Promise<void>
}

const ENTRY = fileURLToPath(new URL('../../dist/src/embedded/store.js', import.meta.url))

/** A store of the test's own: a real `redis-server` if there is one, else the embedded store. */
export async function startStore(): Promise<Store> {
  return hasRedisServer ? RedisServer.start() : startEmbedded()
}

async function startEmbedded(): Promise<Store> {
  const directory = await mkdtemp(join(tmpdir(), 'throttler-store-'))
  const port = await freePort()
  const child = fork(ENTRY, ['--supervised', String(port)], {
    env: { ...process.env, DATA_DIR: directory, LOG_LEVEL: 'silent', REDIS_URL: '' },
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc', 1],
  })
  await isReady(child)
  return {
    url: `redis://127.0.0.1:${port}`,
    stop: async () => {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Waits for the ready message. The store also sends heartbeats while it starts. */
function isReady(child: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    child.on('message', ({ type }: { type: string }) => type === 'ready' && resolve())
  })
}
