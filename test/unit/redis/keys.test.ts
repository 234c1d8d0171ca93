import { expect, it } from '@jest/globals'
import { BucketKeys, ConfigKeys, isBucketKey } from '../../../src/redis/keys.ts'

const CALLERS_KEYS = ['a', 'é', '{b}', 'c:{d}:e', ...Array.from({ length: 200 }, (_, i) => `key-${i}`)]

it.each(['throttler', 'a:b', 'x'.repeat(64)])(
  'the keys of buckets are known by their form, with the prefix %s',
  prefix => {
    const keys = new BucketKeys(prefix)
    expect(CALLERS_KEYS.map(key => keys.bucket(key)).filter(key => !isBucketKey(key))).toEqual([])
  },
)

it.each(['throttler:layout', 'throttler:{insight}:keys', '{53t}:a', 'a', '', new ConfigKeys('throttler', 2).policies])(
  '%j is not the key of a bucket',
  key => {
    expect(isBucketKey(key)).toBe(false)
  },
)
