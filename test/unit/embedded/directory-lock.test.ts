import { once } from 'node:events'
import { linkSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { askLock, lockDirectory } from '../../../src/embedded/directory-lock.ts'

let directory: string
const servers: Server[] = []
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'throttler-lock-'))
})
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
  rmSync(directory, { recursive: true })
})

/** A lock as releases created it before locks had numbers. */
async function listenAt(name: string): Promise<Server> {
  const server = createServer(socket => socket.end('redis://old')).listen(join(directory, name))
  await once(server, 'listening')
  servers.push(server)
  return server
}

/** Creates what a killed process leaves: a socket on which nothing listens. */
async function leaveStale(name: string): Promise<void> {
  const server = await listenAt('listened-on')
  linkSync(join(directory, 'listened-on'), join(directory, name))
  server.close()
  await once(server, 'close')
}

/** Locks the directory this many times at once. Resolves with the names of those that succeeded. */
async function raceOf(racers: number): Promise<string[]> {
  const names = Array.from({ length: racers }, (_, i) => `redis://${i}`)
  const results = await Promise.allSettled(names.map(name => lockDirectory(directory, name)))
  for (const result of results) {
    if (result.status === 'rejected')
      expect(String(result.reason)).toMatch(/DATA_DIR was .*, which another process uses/)
  }
  return names.filter((_, i) => results[i]?.status === 'fulfilled')
}

describe('the lock of a data directory', () => {
  it.each([1, 2, 8])('is granted to one of %i concurrent attempts, and reports the URL of that one', async racers => {
    const winners = await raceOf(racers)
    expect(winners).toHaveLength(1)
    expect(await askLock(directory)).toBe(winners[0])
    expect(await raceOf(1)).toEqual([])
  })

  it.each([
    ['a lock of an earlier release', ['lock']],
    ['a lock', ['lock', 'lock.1']],
    ['several locks', ['lock', 'lock.3', 'lock.4', 'lock.10']],
  ])('is granted to one of many concurrent attempts if killed processes left %s', async (_, names) => {
    for (const name of names) await leaveStale(name)
    const winners = await raceOf(8)
    expect(winners).toHaveLength(1)
    expect(await askLock(directory)).toBe(winners[0])
  })

  it('is respected if a running process of an earlier release has it', async () => {
    await listenAt('lock')
    expect(await raceOf(2)).toEqual([])
    expect(await askLock(directory)).toBe('redis://old')
  })

  it('works in a directory whose path is too long for a socket', async () => {
    const parent = directory
    directory = join(directory, 'd'.repeat(200))
    mkdirSync(directory)
    const before = process.cwd()
    process.chdir(directory)
    expect(await raceOf(2)).toHaveLength(1)
    process.chdir(before)
    directory = parent
  })

  it('refuses a directory whose path is too long for a socket from everywhere, and creates no socket', async () => {
    const deep = join(directory, 'd'.repeat(120))
    await expect(lockDirectory(deep, '')).rejects.toThrow(
      /^DATA_DIR was .* has 1[0-9][0-9] bytes; at most 107 are allowed$/,
    )
    expect(readdirSync(directory, { recursive: true })).toEqual(['d'.repeat(120)])
  })

  it('names a directory that cannot be used', async () => {
    await expect(lockDirectory('/dev/null/data', '')).rejects.toThrow(
      /DATA_DIR was "\/dev\/null\/data", which cannot be used/,
    )
  })
})

it('locking a directory creates it, and those above it', async () => {
  const deep = join(directory, 'a', 'b', 'c')
  await lockDirectory(deep, 'redis://deep')
  expect(await askLock(deep)).toBe('redis://deep')
})

it('locking a directory that cannot be created fails at once, and names it', async () => {
  await expect(lockDirectory('/proc/throttler/data', 'redis://x')).rejects.toThrow(
    /DATA_DIR was "\/proc\/throttler\/data", which cannot be used: ENOENT/,
  )
})

describe('a held directory', () => {
  const lost = /^.* or the lock in it was removed or replaced$/
  const remove = () => rmSync(directory, { recursive: true })
  const replace = () => {
    remove()
    mkdirSync(directory)
  }
  const removeLock = () => {
    for (const name of readdirSync(directory)) rmSync(join(directory, name))
  }

  it('stays held when others try to lock it', async () => {
    const lock = await lockDirectory(directory, 'redis://first')
    expect(await raceOf(3)).toEqual([])
    expect(lock.isHeld).toBe(true)
    expect(() => lock.requireHeld()).not.toThrow()
  })

  it.each([
    ['is removed', remove],
    ['is replaced', replace],
    ['loses its lock', removeLock],
    ['loses one file of its lock', () => rmSync(join(directory, 'lock'))],
  ])('that %s is no longer held, and can be taken again', async (_, harm) => {
    const lock = await lockDirectory(directory, 'redis://first')
    harm()
    expect(lock.isHeld).toBe(false)
    expect(() => lock.requireHeld()).toThrow(lost)
    lock.release()
    await lock.requireFree()
    await lock.take()
    expect(lock.isHeld).toBe(true)
    expect(await askLock(directory)).toBe('redis://first')
    expect(await raceOf(2)).toEqual([])
    expect(readdirSync(directory)).toHaveLength(2)
  })

  it.each([
    ['is removed', remove],
    ['is replaced', replace],
    ['loses its lock', removeLock],
  ])('that %s and is locked by another is not free', async (_, harm) => {
    const lock = await lockDirectory(directory, 'redis://first')
    harm()
    await lockDirectory(directory, 'redis://second')
    const found = readdirSync(directory)
    expect(() => lock.requireHeld()).toThrow(lost)
    lock.release()
    await expect(lock.requireFree()).rejects.toThrow(/DATA_DIR was .*, which another process uses/)
    await expect(lock.take()).rejects.toThrow(/which another process uses/)
    expect(await askLock(directory)).toBe('redis://second')
    expect(readdirSync(directory)).toEqual(found)
  })

  it('is held again when it is moved away and back', async () => {
    const lock = await lockDirectory(directory, 'redis://first')
    renameSync(directory, `${directory}-moved`)
    expect(lock.isHeld).toBe(false)
    renameSync(`${directory}-moved`, directory)
    expect(lock.isHeld).toBe(true)
  })

  it('on another file system than before is not free', async () => {
    const lock = await lockDirectory(directory, 'redis://first')
    remove()
    symlinkSync('/proc', directory)
    try {
      lock.release()
      await expect(lock.requireFree()).rejects.toThrow(/is on another file system than before; restart the service/)
    } finally {
      rmSync(directory)
      mkdirSync(directory)
    }
  })
})
