import type { Queue } from 'bullmq'
import { isObject } from '../lib/is-object.ts'
import type { RedisClient } from '../redis/connection/connection.ts'

const COUNT = /^\d{1,15}$/
const NEVER = () => false

/** BullMQ's own fields of a job that keep it from taking or ending the job, and their valid values in a job of this service. */
const VALID: Readonly<Record<string, (text: string) => boolean>> = {
  opts: text => isObject(parsed(text)),
  progress: text => parsed(text) !== undefined,
  ats: text => COUNT.test(text),
  atm: text => COUNT.test(text),
  stc: text => COUNT.test(text),
  parent: NEVER,
  parentKey: NEVER,
  rjk: NEVER,
  deid: NEVER,
}
const FIELDS = Object.keys(VALID)

/** A job that was repaired, and how. */
export interface Repair {
  readonly jobId: string
  /** The fields that were reset; without them the job itself was no hash, and is deleted. */
  readonly fields?: readonly string[]
}

/**
 * Repairs the jobs that are next in a queue. BullMQ throws when it takes a job with a malformed field of its own, and takes it again
 * for ever, so no later command of the partition would be processed. The command itself is another field, and stays.
 */
export async function repairJobs(redis: RedisClient, queue: Queue): Promise<readonly Repair[]> {
  const [active, waiting] = await Promise.all([
    redis.lrange(queue.toKey('active'), 0, -1),
    redis.lrange(queue.toKey('wait'), -1, -1),
  ])
  const repairs = await Promise.all([...active, ...waiting].map(jobId => repairJob(redis, queue.toKey(jobId), jobId)))
  return repairs.filter(repair => repair !== undefined)
}

async function repairJob(redis: RedisClient, key: string, jobId: string): Promise<Repair | undefined> {
  const type = await redis.type(key)
  if (type === 'none') return undefined
  if (type !== 'hash') {
    await redis.unlink(key)
    return { jobId }
  }
  const values = await redis.hmget(key, ...FIELDS)
  const fields = FIELDS.filter((field, i) => values[i] != null && !VALID[field]?.(values[i]))
  if (fields.length === 0) return undefined
  await redis.hdel(key, ...fields)
  return { jobId, fields }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
