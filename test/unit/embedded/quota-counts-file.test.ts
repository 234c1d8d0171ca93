import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { lineOf, type QuotaCount } from '../../../src/embedded/quota-count-lines.ts'
import { QuotaCountsFile } from '../../../src/embedded/quota-counts-file.ts'
import { CannotStart } from '../../../src/processes/supervised-process.ts'

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
const heldAt = async (nowMs: number) => Object.fromEntries((await QuotaCountsFile.open(path, nowMs)).held)
const write = async (file: QuotaCountsFile, counts: ReadonlyMap<string, QuotaCount | undefined>, nowMs: number) => {
  file.append(counts, nowMs)
  await file.settle(nowMs)
}
const lines = () => readFileSync(path, 'utf8').split('\n').filter(Boolean)

it('what was written last of each bucket is read again, until it expires', async () => {
  const file = await QuotaCountsFile.open(path, NOW)
  await write(
    file,
    new Map([
      ['a', count('01')],
      ['b', count('02', LATER + 1)],
    ]),
    NOW,
  )
  await write(file, new Map([['a', count('03')]]), NOW)
  expect(await heldAt(NOW)).toEqual({ a: count('03'), b: count('02', LATER + 1) })
  expect(await heldAt(LATER)).toEqual({ b: count('02', LATER + 1) })
})

it('a bucket that was filled is gone, and one without a quota was never written', async () => {
  const file = await QuotaCountsFile.open(path, NOW)
  await write(file, new Map([['a', count('01')]]), NOW)
  await write(
    file,
    new Map([
      ['a', undefined],
      ['other', undefined],
    ]),
    NOW,
  )
  expect(await heldAt(NOW)).toEqual({})
  expect(lines()).toHaveLength(2)
})

it('a bucket that has expired is not written again', async () => {
  const file = await QuotaCountsFile.open(path, NOW)
  await write(file, new Map([['a', count('01')]]), NOW)
  await write(file, new Map([['a', undefined]]), LATER)
  expect(lines()).toHaveLength(1)
})

it('what is appended while the file is compacted is in the new file', async () => {
  const file = await QuotaCountsFile.open(path, NOW)
  const many = new Map(Array.from({ length: 2_000 }, (_, i) => [`key-${i}`, count('f'.repeat(1_000))]))
  for (let i = 0; i < 3; i++) file.append(many, NOW)
  const isCompacted = file.settle(NOW)
  file.append(
    new Map([
      ['key-0', count('00')],
      ['key-1999', undefined],
      ['new', count('01')],
    ]),
    NOW,
  )
  await isCompacted
  expect(lines()).toHaveLength(2_002)
  const { 'key-0': first, 'key-1999': last, new: added } = await heldAt(NOW)
  expect([first, last, added]).toEqual([count('00'), undefined, count('01')])
})

it('nothing is lost that is appended at any time while the file is compacted, also when the new file takes its place', async () => {
  const file = await QuotaCountsFile.open(path, NOW)
  const many = new Map(Array.from({ length: 2_000 }, (_, i) => [`key-${i}`, count('f'.repeat(1_000))]))
  for (let i = 0; i < 3; i++) file.append(many, NOW)
  let isCompacting = true
  const isCompacted = file.settle(NOW).finally(() => {
    isCompacting = false
  })
  for (let i = 0; isCompacting; i++) {
    file.append(new Map([[`added-${i}`, count('01')]]), NOW)
    await nextTurn()
  }
  await isCompacted
  expect(await heldAt(NOW)).toEqual(Object.fromEntries(file.held))
  expect(readdirSync(directory)).toEqual(['quotas.ndjson'])
})

it('counts beyond the bound are given up, and those that were written longest ago first', async () => {
  const file = await QuotaCountsFile.open(path, NOW, { maxHeldBytes: 1_000 })
  for (let i = 0; i < 1_000; i++) await write(file, new Map([[`key-${i}`, count('f'.repeat(100))]]), NOW)
  expect([...file.held.keys()]).toEqual(['key-994', 'key-995', 'key-996', 'key-997', 'key-998', 'key-999'])
  expect(file.hasGivenUp).toBe(true)
})

it.each(['zz', '012', '', 'AB', ' 01'])('a line whose value is %j is damaged, and is left out', async value => {
  const line = (key: string, text: string) => `${JSON.stringify({ key, ...count(text) })}\n`
  writeFileSync(path, line('a', '01') + line('a', value) + line('b', '02'))
  expect(await heldAt(NOW)).toEqual({ a: count('01'), b: count('02') })
  expect((await QuotaCountsFile.open(path, NOW)).firstDamagedLine).toBe(2)
})

it('a line of a key that no bucket can have is damaged, and is left out', async () => {
  writeFileSync(path, lineOf('a', count('01')) + lineOf('b', count('02')) + lineOf('a', undefined))
  const file = await QuotaCountsFile.open(path, NOW, { isKey: key => key === 'b' })
  expect([Object.fromEntries(file.held), file.firstDamagedLine]).toEqual([{ b: count('02') }, 1])
})

it('a line that is not UTF-8 is damaged, and is left out', async () => {
  const damaged = Buffer.from(lineOf('x', count('03')).replace('x', '\xff'), 'latin1')
  writeFileSync(
    path,
    Buffer.concat([Buffer.from(lineOf('é', count('01'))), damaged, Buffer.from(lineOf('\ufffd', count('02')))]),
  )
  const file = await QuotaCountsFile.open(path, NOW)
  expect([Object.fromEntries(file.held), file.firstDamagedLine]).toEqual([{ é: count('01'), '\ufffd': count('02') }, 2])
})

it('a last line that was not written whole is not damaged', async () => {
  writeFileSync(path, '{"key":"a","value":"01","expiresAt":1760000001000}\n{"key":"b","val')
  expect((await QuotaCountsFile.open(path, NOW)).firstDamagedLine).toBeUndefined()
})

it('a directory of that name cannot be used', async () => {
  mkdirSync(path)
  await expect(QuotaCountsFile.open(path, NOW)).rejects.toThrow(CannotStart)
  await expect(QuotaCountsFile.open(path, NOW)).rejects.toThrow(`${path} cannot be used: EISDIR`)
})

it('a file is read in pieces, between which the process does other work', async () => {
  const size = 3_000
  writeFileSync(path, Array.from({ length: size }, (_, i) => lineOf(`key-${i}-é`, count('01'))).join(''))
  const [pieceBytes, { size: bytes }] = [10_000, statSync(path)]
  let turns = 0
  let isOpen = false
  const countTurns = async () => {
    for (; !isOpen; turns++) await nextTurn()
  }
  const counted = countTurns()
  const done: object[] = []
  const file = await QuotaCountsFile.open(path, NOW, { pieceBytes, onProgress: progress => done.push(progress) })
  isOpen = true
  await counted
  expect(file.held.size).toBe(size)
  expect(file.firstDamagedLine).toBeUndefined()
  expect(done).toHaveLength(Math.ceil(bytes / pieceBytes))
  expect([done[0], done.at(-1)]).toEqual([
    { bytes: pieceBytes, of: bytes },
    { bytes, of: bytes },
  ])
  expect(turns).toBeGreaterThanOrEqual(done.length)
})

it('a line that is longer than any of this service is damaged, and is not held in memory', async () => {
  writeFileSync(path, `${lineOf('a', count('01'))}{"key":"${'x'.repeat(200_000)}"}\n${lineOf('b', count('02'))}`)
  const file = await QuotaCountsFile.open(path, NOW, { pieceBytes: 10_000 })
  expect([Object.fromEntries(file.held), file.firstDamagedLine]).toEqual([{ a: count('01'), b: count('02') }, 2])
})

it('counts beyond the bound are given up while the file is read', async () => {
  writeFileSync(path, Array.from({ length: 1_000 }, (_, i) => lineOf(`key-${i}`, count('f'.repeat(100)))).join(''))
  const file = await QuotaCountsFile.open(path, NOW, { maxHeldBytes: 1_000, pieceBytes: 2_000 })
  expect([...file.held.keys()]).toEqual(['key-994', 'key-995', 'key-996', 'key-997', 'key-998', 'key-999'])
  expect(file.hasGivenUp).toBe(true)
})

it('counts that have expired are no longer held, so that a file of them is written again', async () => {
  const file = await QuotaCountsFile.open(path, NOW)
  const many = new Map(Array.from({ length: 2_000 }, (_, i) => [`key-${i}`, count('f'.repeat(1_000))]))
  await write(file, many, NOW)
  await write(file, new Map([...many.keys()].map(key => [key, undefined])), LATER)
  expect(file.held.size).toBe(0)
  await write(file, new Map([['new', count('01', LATER + 1)]]), LATER)
  expect(lines()).toEqual([lineOf('new', count('01', LATER + 1)).trim()])
})

it('lines that are not whole, or not of this file, are left out, and the next line begins anew', async () => {
  writeFileSync(path, '{"key":"a","value":"01","expiresAt":1760000001000}\nnonsense\n{"key":"b","val')
  const file = await QuotaCountsFile.open(path, NOW)
  await write(file, new Map([['c', count('03')]]), NOW)
  expect(await heldAt(NOW)).toEqual({ a: count('01'), c: count('03') })
})

it('a file that has grown is written again with what it must hold', async () => {
  const file = await QuotaCountsFile.open(path, NOW)
  const value = 'f'.repeat(1_000)
  const many = new Map(Array.from({ length: 600 }, (_, i) => [`key-${i}`, count(value, i < 300 ? LATER : LATER + 1)]))
  for (let i = 0; i < 2; i++) await write(file, many, NOW)
  const before = statSync(path).size
  await write(file, new Map([...many].slice(0, 1)), LATER)
  expect(statSync(path).size).toBeLessThan(before / 3)
  expect(Object.keys(await heldAt(LATER))).toHaveLength(300)
})

it('a new file that cannot be completed does not stay, nor one of an earlier process', async () => {
  writeFileSync(`${path}.new`, 'x')
  const file = await QuotaCountsFile.open(path, NOW)
  expect(readdirSync(directory)).toEqual([])
  await write(file, new Map([['a', count('01')]]), NOW)
  rmSync(path)
  symlinkSync('/dev/full', `${path}.new`)
  await expect(write(file, new Map([['b', count('02')]]), NOW)).rejects.toThrow('ENOSPC')
  expect(readdirSync(directory)).toEqual(['quotas.ndjson'])
})

it('a file that was removed is written again from memory', async () => {
  const file = await QuotaCountsFile.open(path, NOW)
  await write(file, new Map([['a', count('01')]]), NOW)
  rmSync(path)
  await write(file, new Map([['b', count('02')]]), NOW)
  expect(await heldAt(NOW)).toEqual({ a: count('01'), b: count('02') })
})

it('a file that was removed is written again, even if no count has changed since', async () => {
  const file = await QuotaCountsFile.open(path, NOW)
  await write(file, new Map([['a', count('01')]]), NOW)
  rmSync(path)
  await file.settle(NOW)
  expect(await heldAt(NOW)).toEqual({ a: count('01') })
})

it('a failed write is thrown, and can be repeated', async () => {
  const file = await QuotaCountsFile.open(path, NOW)
  rmSync(directory, { recursive: true })
  await expect(write(file, new Map([['a', count('01')]]), NOW)).rejects.toThrow('ENOENT')
  directory = mkdtempSync(join(tmpdir(), 'throttler-quotas-'))
})
