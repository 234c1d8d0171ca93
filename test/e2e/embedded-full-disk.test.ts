import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { Service } from '../support/service.ts'
import { STOP_LIMIT_MS } from '../support/stops.ts'

const THREE_A_MINUTE = { capacity: 3, refillTokens: 1, refillIntervalMs: 60_000 }

/** A file system of one megabyte, or `undefined` where this user may not mount one. */
function mountSmallDisk(): string | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'throttler-disk-'))
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory]).status === 0) return directory
  rmSync(directory, { recursive: true })
  return undefined
}

async function unmount(directory: string): Promise<void> {
  spawnSync('umount', [directory])
  await rmdir(directory)
}

/** Fills the disk to the last byte. */
function fill(path: string): void {
  const fd = openSync(path, 'w')
  try {
    for (const bytes of [4096, 1]) while (writeSync(fd, Buffer.alloc(bytes, 'x')) > 0);
  } catch {
    // The disk is full.
  }
  closeSync(fd)
}

/** The key of the first change that is not applied. Some still fit into the block that the file system gave the journal. */
async function firstNotApplied(client: Client): Promise<string> {
  for (let i = 0; ; i++) {
    const key = `filler-${i}`
    if (!(await isApplied(client, key))) return key
  }
}

/** Whether a change is applied. Otherwise, the journal cannot be written. A change that is slow is repeated. */
function isApplied(client: Client, key: string): Promise<boolean> {
  return eventually(async () => {
    const { status } = await client.put(key, THREE_A_MINUTE, { prefer: 'wait=1' })
    if (status < 202) return true
    expect([202, 503]).toContain(status)
    expect((await client.get('/health')).body.reason).toBe('cannot-persist')
    return false
  })
}

const canMount = (() => {
  const disk = mountSmallDisk()
  if (disk !== undefined) spawnSync('sh', ['-c', `umount ${disk} && rmdir ${disk}`])
  return disk !== undefined
})()
const describeWithMount = canMount ? describe : describe.skip

let disk: string
let service: Service
beforeEach(async () => {
  disk = mountSmallDisk() ?? ''
  service = await Service.start({ env: { DATA_DIR: disk, TMPDIR: disk, WEB_CONCURRENCY: '1' } })
})
afterEach(async () => {
  await service.stop()
  await unmount(disk)
})

describeWithMount('npm start on a disk that becomes full (needs the right to mount)', () => {
  it('refuses changes with 503, decides checks as before, and recovers without a restart', async () => {
    const client = new Client(service.url)
    await client.put('limited', THREE_A_MINUTE)
    await client.check('limited')
    const { pids } = service
    fill(join(disk, 'full'))

    const failed = service.says(/the journal cannot be written: changes are refused/)
    const undecided = await firstNotApplied(client)
    expect((await failed).input).toContain('ENOSPC')
    await eventually(async () => {
      const { status, body } = await client.put('other', THREE_A_MINUTE, { prefer: 'wait=1' })
      expect([status, body.code]).toEqual([503, 'config-store-unavailable'])
      expect(body.detail).toBe('the policy store is unavailable; try again (reason: cannot-persist)')
      expect((await client.get('/health')).body).toMatchObject({
        status: 'degraded',
        store: 'up',
        configStore: 'down',
        reason: 'cannot-persist',
      })
    })
    for (const remaining of [1, 0]) {
      expect((await client.check('limited')).body).toMatchObject({ remaining, source: 'redis', policyVersion: 1 })
    }

    rmSync(join(disk, 'full'))
    await service.says(/the journal can be written again: changes are accepted/)
    await eventually(async () => {
      expect((await client.put('other', THREE_A_MINUTE)).status).toBeLessThan(202)
      expect((await client.get(`/config/${undecided}`)).body).toMatchObject({ version: 1 })
      expect((await client.get('/health')).body).toMatchObject({ status: 'ok' })
    })
    expect(service.pids).toEqual(pids)

    await service.stop('SIGKILL')
    service = await Service.start({ env: { DATA_DIR: disk, TMPDIR: disk, WEB_CONCURRENCY: '1' } })
    for (const key of ['limited', 'other', undecided]) {
      expect((await new Client(service.url).get(`/config/${key}`)).body).toMatchObject({ version: 1 })
    }
  })

  it('does not wait for space to stop, exits with 1, and says that accepted changes are lost', async () => {
    fill(join(disk, 'full'))
    await firstNotApplied(new Client(service.url))
    const startedAt = performance.now()
    expect(await service.stop()).toBe(1)
    expect(performance.now() - startedAt).toBeLessThan(STOP_LIMIT_MS)
    expect(service.output.join('\n')).toContain('accepted changes are not on disk, and are lost: ENOSPC')
  })
})
