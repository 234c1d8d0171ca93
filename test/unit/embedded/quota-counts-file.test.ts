import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { type QuotaCount, QuotaCountsFile } from '../../../src/embedded/quota-counts-file.ts'

const NOW = 1_760_000_000_000
const LATER = NOW + 1_000

let directory: string
let path: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'throttler-quotas-'))
  path = join(directory, 'quotas.ndjson')
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const count = (value: string, expiresAt = LATER): QuotaCount => ({ value, expiresAt })
const heldAt = (nowMs: number) => Object.fromEntries(new QuotaCountsFile(path, nowMs).held)
const lines = () => readFileSync(path, 'utf8').split('\n').filter(Boolean)

it('what was written last of each bucket is read again, until it expires', async () => {
  const file = new QuotaCountsFile(path, NOW)
  await file.write(
    new Map([
      ['a', count('01')],
      ['b', count('02', LATER + 1)],
    ]),
    NOW,
  )
  await file.write(new Map([['a', count('03')]]), NOW)
  expect(heldAt(NOW)).toEqual({ a: count('03'), b: count('02', LATER + 1) })
  expect(heldAt(LATER)).toEqual({ b: count('02', LATER + 1) })
})

it('a bucket that was filled is gone, and one without a quota was never written', async () => {
  const file = new QuotaCountsFile(path, NOW)
  await file.write(new Map([['a', count('01')]]), NOW)
  await file.write(
    new Map([
      ['a', undefined],
      ['other', undefined],
    ]),
    NOW,
  )
  expect(heldAt(NOW)).toEqual({})
  expect(lines()).toHaveLength(2)
})

it('a bucket that has expired is not written again', async () => {
  const file = new QuotaCountsFile(path, NOW)
  await file.write(new Map([['a', count('01')]]), NOW)
  await file.write(new Map([['a', undefined]]), LATER)
  expect(lines()).toHaveLength(1)
})

it('lines that are not whole, or not of this file, are left out, and the next line begins anew', async () => {
  writeFileSync(path, '{"key":"a","value":"01","expiresAt":1760000001000}\nnonsense\n{"key":"b","val')
  const file = new QuotaCountsFile(path, NOW)
  await file.write(new Map([['c', count('03')]]), NOW)
  expect(heldAt(NOW)).toEqual({ a: count('01'), c: count('03') })
})

it('a file that has grown is written again with what it must hold', async () => {
  const file = new QuotaCountsFile(path, NOW)
  const value = 'f'.repeat(1_000)
  const many = new Map(Array.from({ length: 600 }, (_, i) => [`key-${i}`, count(value, i < 300 ? LATER : LATER + 1)]))
  for (let i = 0; i < 2; i++) await file.write(many, NOW)
  const before = statSync(path).size
  await file.write(new Map([...many].slice(0, 1)), LATER)
  expect(statSync(path).size).toBeLessThan(before / 3)
  expect(Object.keys(heldAt(LATER))).toHaveLength(300)
})

it('a file that was removed is written again from memory', async () => {
  const file = new QuotaCountsFile(path, NOW)
  await file.write(new Map([['a', count('01')]]), NOW)
  rmSync(path)
  await file.write(new Map([['b', count('02')]]), NOW)
  expect(heldAt(NOW)).toEqual({ a: count('01'), b: count('02') })
})

it('a failed write is thrown, and can be repeated', async () => {
  const file = new QuotaCountsFile(path, NOW)
  rmSync(directory, { recursive: true })
  await expect(file.write(new Map([['a', count('01')]]), NOW)).rejects.toThrow('ENOENT')
  directory = mkdtempSync(join(tmpdir(), 'throttler-quotas-'))
})
