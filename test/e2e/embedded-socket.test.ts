import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { parseRedisUrl, type RedisUrl } from '../../src/settings/redis-url.ts'
import { Client } from '../support/client.ts'
import { connectToStoreOf, urlOfStore } from '../support/embedded-store.ts'
import { eventually } from '../support/eventually.ts'
import { pidsWithVariable } from '../support/processes.ts'
import { Service } from '../support/service.ts'
import { failToStart } from '../support/start-failure.ts'

/** State of a listening socket in `/proc/net/tcp`. */
const LISTENING = '0A'

let directory: string
/** For temporary files of the service. */
let temporary: string
let dataDir: string
let service: Service | undefined
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'throttler-socket-'))
  temporary = join(directory, 'tmp')
  dataDir = join(directory, 'data')
  mkdirSync(temporary)
})
afterEach(async () => {
  await service?.stop()
  service = undefined
  rmSync(directory, { recursive: true })
})

async function start(env: Readonly<Record<string, string>> = {}): Promise<Service> {
  service = await Service.start({ env: { DATA_DIR: dataDir, TMPDIR: temporary, WEB_CONCURRENCY: '1', ...env } })
  return service
}

async function storeUrl(): Promise<RedisUrl> {
  return parseRedisUrl(await urlOfStore(dataDir))
}

async function socketPath(): Promise<string> {
  return (await storeUrl()).endpoints[0].path ?? ''
}

/** What a process of the same user gets that does not know the password. */
async function repliesToStrangers(...commands: readonly string[][]): Promise<string[]> {
  const stranger = new Redis(await socketPath(), { maxRetriesPerRequest: 0, enableReadyCheck: false })
  stranger.on('error', () => undefined)
  try {
    return await Promise.all(
      commands.map(([name = '', ...args]) => stranger.call(name, ...args).then(String, (err: Error) => err.message)),
    )
  } finally {
    stranger.disconnect()
  }
}

/** The number of TCP ports on which a process listens. */
function listeningPorts(pid: number): number {
  const own = new Set(readdirSync(`/proc/${pid}/fd`).map(fd => linkOf(`/proc/${pid}/fd/${fd}`)))
  const sockets = ['tcp', 'tcp6'].flatMap(name =>
    readFileSync(`/proc/${pid}/net/${name}`, 'utf8').split('\n').slice(1, -1),
  )
  return sockets
    .map(line => line.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => {
      return state === LISTENING && own.has(`socket:[${inode}]`)
    }).length
}

/** Empty if the descriptor was closed meanwhile. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

describe('the embedded store of a running service', () => {
  it('listens on no port, but on a socket in a directory that only its user can enter, and its password is in no command line', async () => {
    const running = await start()
    const path = await socketPath()
    expect(dirname(dirname(path))).toBe(temporary)
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700)
    const [store = 0] = running.pidsOf('throttler store')
    expect(listeningPorts(store)).toBe(0)
    const { password = '' } = await storeUrl()
    expect(password).toMatch(/^[0-9a-f]{32}$/)
    for (const pid of running.pids) expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(password)
  })

  it('answers nobody who has not learned its password from the lock, also after it was killed and replaced', async () => {
    const running = await start()
    const replies = await repliesToStrangers(
      ['PING'],
      ['FLUSHALL'],
      ['CONFIG', 'SET', 'maxmemory', '1mb'],
      ['SHUTDOWN'],
    )
    expect(replies).toEqual(Array(4).fill(expect.stringMatching(/^NOAUTH/)))
    const known = await connectToStoreOf(dataDir)
    expect(await known.ping()).toBe('PONG')
    known.disconnect()

    const client = new Client(running.url)
    const before = await storeUrl()
    const [killed = 0] = running.pidsOf('throttler store')
    process.kill(killed, 'SIGKILL')
    await eventually(async () => expect((await client.check('a')).body.source).toBe('redis'))
    expect(running.pidsOf('throttler store')).not.toContain(killed)
    expect(await storeUrl()).toEqual(before)
    expect(await repliesToStrangers(['PING'])).toEqual([expect.stringMatching(/^NOAUTH/)])
  })

  it('has its socket in DATA_DIR if there is no directory for temporary files', async () => {
    await start({ TMPDIR: join(directory, 'missing') })
    expect(dirname(dirname(await socketPath()))).toBe(dataDir)
    await service?.stop()
    expect(readdirSync(dataDir).filter(name => name.startsWith('throttler'))).toEqual([])
  })
})

describe('the directory of the socket is removed', () => {
  it('by a stop', async () => {
    await start()
    expect(readdirSync(temporary)).toHaveLength(1)
    expect(await service?.stop()).toBe(0)
    expect(readdirSync(temporary)).toEqual([])
  })

  it('by a start that fails', async () => {
    await start()
    const inUse = readdirSync(temporary)
    const { code } = await failToStart('all', { DATA_DIR: dataDir, TMPDIR: temporary })
    expect(code).toBe(1)
    expect(readdirSync(temporary)).toEqual(inUse)
  })

  it('by the store once the supervisor was killed', async () => {
    const { process: supervisor } = await start()
    supervisor.kill('SIGKILL')
    await eventually(() => expect(pidsWithVariable('DATA_DIR', dataDir)).toEqual([]))
    expect(readdirSync(temporary)).toEqual([])
  })
})
