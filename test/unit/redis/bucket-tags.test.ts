import { describe, expect, it } from '@jest/globals'
import { BUCKET_PARTITIONS } from '../../../src/domain/partition.ts'
import { BUCKET_SLOTS, BUCKET_TAGS } from '../../../src/redis/bucket-tags.ts'
import { BucketKeys } from '../../../src/redis/keys.ts'

const SLOTS = 16_384

describe('the hash tags of buckets', () => {
  it('are as many as partitions, and distinct', () => {
    expect(BUCKET_TAGS).toHaveLength(BUCKET_PARTITIONS)
    expect(new Set(BUCKET_TAGS).size).toBe(BUCKET_PARTITIONS)
  })

  it('lie in the middle of each 64th of the slots', () => {
    const middles = BUCKET_TAGS.map((_, n) => Math.floor(((n + 0.5) * SLOTS) / BUCKET_PARTITIONS))
    expect(BUCKET_TAGS.map(slotOf)).toEqual(middles)
  })

  it.each([3, 10])('give the hottest of %d masters at most a tenth more than the mean', masters => {
    const boundary = (n: number) => Math.round((n * SLOTS) / masters)
    const counts = Array.from(
      { length: masters },
      (_, n) => BUCKET_TAGS.map(slotOf).filter(slot => slot >= boundary(n) && slot < boundary(n + 1)).length,
    )
    expect(Math.max(...counts)).toBeLessThanOrEqual((1.1 * BUCKET_PARTITIONS) / masters)
  })

  it('lie in the slots of BUCKET_SLOTS', () => {
    expect(BUCKET_TAGS.map(slotOf)).toEqual(BUCKET_SLOTS)
  })

  it.each(['user:42', '{acme}:search', '}{', '{}'])('precede the braces of a key such as %s', key => {
    const [, tag] = /^throttler:\{([^}]+)\}:/.exec(new BucketKeys('throttler').bucket(key)) ?? []
    expect(BUCKET_TAGS).toContain(tag)
  })

  it('are hashed as Redis does it', () => {
    // The check value of CRC16-XMODEM, and a slot from the Redis Cluster specification's own examples.
    expect(crc16('123456789')).toBe(0x31c3)
    expect(slotOf('foo')).toBe(12_182)
  })
})

/** @see https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#appendix-a-crc16-reference-implementation-in-ansi-c */
function crc16(text: string): number {
  let crc = 0
  for (const byte of Buffer.from(text)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff
  }
  return crc
}

function slotOf(tag: string): number {
  return crc16(tag) % SLOTS
}
