import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach } from '@jest/globals'
import { Redis } from 'ioredis'
import type { MaintainedPartition } from '../../../src/config-change/maintenance/ports.ts'
import { ConfigKeys } from '../../../src/redis/keys.ts'
import { maintainedPartitions } from '../../../src/redis/policies/maintained-partitions.ts'
import { TestApp } from '../../support/app.ts'
import { given } from './given-store.ts'

interface GivenPartition {
  readonly keys: ConfigKeys
  readonly app: TestApp
  readonly redis: Redis
  readonly partition: MaintainedPartition
}

/** A partition for maintenance, and a service with a worker on the same store; both are empty for each test of a file. */
export function givenPartition(number: number): () => GivenPartition {
  const store = given()
  let present: GivenPartition
  beforeEach(async () => {
    const keyPrefix = `t-${randomUUID()}`
    const app = await TestApp.start(store(), { variables: { KEY_PREFIX: keyPrefix } })
    const redis = new Redis(store().url)
    const partition = maintainedPartitions(redis, keyPrefix)[number] as MaintainedPartition
    present = { keys: new ConfigKeys(keyPrefix, number), app, redis, partition }
  })
  afterEach(async () => {
    await present.app.close()
    present.redis.disconnect()
  })
  return () => present
}
