import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { askLock } from '../../src/embedded/directory-lock.ts'
import { Client } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { Service } from '../support/service.ts'

describe('the embedded store of a running service', () => {
  let service: Service
  beforeAll(async () => {
    service = await Service.start()
  })
  afterAll(() => service.stop())

  const urlOfStore = async () => new URL((await askLock(service.dataDir)) ?? '')

  /** What a process that knows only the port gets. */
  async function repliesToStrangers(...commands: readonly string[][]): Promise<string[]> {
    const stranger = new Redis(Number((await urlOfStore()).port), { maxRetriesPerRequest: 0, enableReadyCheck: false })
    try {
      return await Promise.all(
        commands.map(([name = '', ...args]) => stranger.call(name, ...args).then(String, (err: Error) => err.message)),
      )
    } finally {
      stranger.disconnect()
    }
  }

  it('answers nobody who has not learned its password from the lock', async () => {
    const replies = await repliesToStrangers(
      ['PING'],
      ['FLUSHALL'],
      ['CONFIG', 'SET', 'maxmemory', '1mb'],
      ['SHUTDOWN'],
    )
    expect(replies).toEqual(Array(4).fill(expect.stringMatching(/^NOAUTH/)))
    const known = new Redis((await urlOfStore()).href)
    expect(await known.ping()).toBe('PONG')
    known.disconnect()
  })

  it('has a password that is in no command line', async () => {
    const { password } = await urlOfStore()
    expect(password).toMatch(/^[0-9a-f]{32}$/)
    for (const pid of service.pids) expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(password)
  })

  it('has the same password after it was replaced', async () => {
    const client = new Client(service.url)
    const [before] = service.pidsOf('throttler store') as [number]
    process.kill(before, 'SIGKILL')
    await eventually(async () => expect((await client.check('a')).body.source).toBe('redis'))
    expect(service.pidsOf('throttler store')).not.toContain(before)
    expect(await repliesToStrangers(['PING'])).toEqual([expect.stringMatching(/^NOAUTH/)])
  })
})
