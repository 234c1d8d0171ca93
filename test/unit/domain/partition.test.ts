import { describe, expect, it } from '@jest/globals'
import { commandId, parseCommandId, partitionOf } from '../../../src/domain/command-id.ts'
import {
  BUCKET_PARTITIONS,
  bucketPartition,
  CONFIG_PARTITIONS,
  configPartition,
} from '../../../src/domain/partition.ts'

describe('the partition of a bucket', () => {
  it.each([
    ['{acme}:search', 'acme'],
    ['{acme}:index', 'acme'],
    ['a{b}c{d}e', 'b'],
    ['x{{y}}z', '{y'],
    ['}a{b}', 'b'],
  ])('of %s is decided by its first hash tag', (key, tag) => {
    expect(bucketPartition(key)).toBe(bucketPartition(tag))
  })

  it.each([
    ['without a tag', 'user:1', 'user:2'],
    ['with an empty tag', '{}user:1', '{}user:2'],
    ['with an empty tag before another', '{}{user}:1', '{}{user}:2'],
    ['with a tag that does not close', '{user:1', '{user:2'],
    ['that closes before it opens', '}user{:1', '}user{:2'],
  ])('of a key %s is decided by the whole key', (_, key, other) => {
    expect(bucketPartition(key)).not.toBe(bucketPartition(other))
  })

  it('never changes, since stored buckets depend on it', () => {
    expect(['user:42', 'ip:203.0.113.7', '{acme}:search', '🦊'].map(bucketPartition)).toEqual([18, 8, 2, 10])
  })

  it.each([
    ['numbered', (i: number) => `user:${i}`],
    ['numbered at the front', (i: number) => `${i}:requests`],
    ['addresses', (i: number) => `ip:10.0.${i >> 8}.${i & 255}`],
    ['tagged', (i: number) => `{tenant-${i}}:search`],
    ['in another script', (i: number) => `ключ-${i}`],
  ])('is evenly distributed for keys that are %s', (_, keyOf) => {
    const keys = 64_000
    const counts = new Array(BUCKET_PARTITIONS).fill(0)
    for (let i = 0; i < keys; i++) counts[bucketPartition(keyOf(i))]++
    const expected = keys / BUCKET_PARTITIONS
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
    // With 63 degrees of freedom an even hash exceeds 120 once in 20,000 times; the keys are the same every time.
    expect(chiSquare).toBeLessThan(120)
  })
})

describe('the partition of a config key', () => {
  it('is decided by the whole key, including hash tags', () => {
    const partitions = Array.from({ length: 20 }, (_, i) => configPartition(`{acme}:${i}`))
    expect(new Set(partitions).size).toBe(CONFIG_PARTITIONS)
  })

  it('never changes, since stored events depend on it', () => {
    expect(['user:42', 'user:*', '*', '🦊'].map(configPartition)).toEqual([2, 2, 1, 2])
  })

  it('is part of the id of a command', () => {
    const id = commandId('user:42', '0b8f9b4e-6a0e-4d0e-9a52-4b7a2c7f3f11')
    expect(parseCommandId(id)).toBe(id)
    expect(partitionOf(id)).toBe(configPartition('user:42'))
  })

  it.each([
    '',
    '1',
    '1-',
    '123-0b8f9b4e-6a0e-4d0e-9a52-4b7a2c7f3f11',
    '4-0b8f9b4e-6a0e-4d0e-9a52-4b7a2c7f3f11',
    '0b8f9b4e-6a0e-4d0e-9a52-4b7a2c7f3f11',
  ])('is not found in %j, which is not a command id', id => {
    expect(parseCommandId(id)).toBeUndefined()
  })
})
