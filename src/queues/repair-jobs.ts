import { isUtf8 } from 'node:buffer'
import type { Queue } from 'bullmq'
import { isObject } from '../lib/is-object.ts'
import { parseJson } from '../lib/parse-json.ts'
import type { RedisClient } from '../redis/connection/connection.ts'

const isCount = (text: string) => /^\d{1,15}$/.test(text)
const never = () => false

/** BullMQ's own fields of a job that can keep it from taking or ending the job, and which values a job of this service may have. */
const IS_VALID: Readonly<Record<string, (text: string) => boolean>> = {
  opts: text => isObject(parseJson(text)),
  progress: text => parseJson(text) !== undefined,
  ats: isCount,
  atm: isCount,
  stc: isCount,
  parent: never,
  parentKey: never,
  rjk: never,
  deid: never,
}
const FIELDS = Object.keys(IS_VALID)

/** A job that was repaired, and how. */
export interface Repair {
  readonly jobId: string
  /** The fields that were removed. Absent if everything was: its key held no job, or its id is not UTF-8. */
  readonly fields?: readonly string[]
}

/**
 * Repairs the jobs that are next in a queue. BullMQ throws when it takes a job with a malformed field of its own, and takes it again
 * for ever, so no later command of the partition would be processed. The command itself is another field, and stays.
 */
export async function repairJobs(redis: RedisClient, queue: Queue): Promise<readonly Repair[]> {
  const [active, waiting] = await Promise.all([
    redis.lrangeBuffer(queue.toKey('active'), 0, -1),
    redis.lrangeBuffer(queue.toKey('wait'), -1, -1),
  ])
  const repairs = await Promise.all(
    [...active, ...waiting].map(id =>
      isUtf8(id) ? repairJob(redis, queue, id.toString()) : removeJob(redis, queue, id),
    ),
  )
  return repairs.filter(repair => repair !== undefined)
}

/** BullMQ, which reads ids as UTF-8, cannot end a job whose id is not. */
async function removeJob(redis: RedisClient, queue: Queue, id: Buffer): Promise<Repair> {
  const key = Buffer.concat([Buffer.from(queue.toKey('')), id])
  await redis.unlink(key)
  for (const list of ['active', 'wait']) await redis.lrem(queue.toKey(list), 0, id)
  return { jobId: id.toString() }
}

async function repairJob(redis: RedisClient, queue: Queue, jobId: string): Promise<Repair | undefined> {
  const key = queue.toKey(jobId)
  const type = await redis.type(key)
  if (type === 'none') return undefined
  if (type !== 'hash') {
    await redis.unlink(key)
    return { jobId }
  }
  const values = await redis.hmget(key, ...FIELDS)
  const fields = FIELDS.filter((field, i) => values[i] != null && !IS_VALID[field]?.(values[i]))
  if (fields.length === 0) return undefined
  await redis.hdel(key, ...fields)
  return { jobId, fields }
}
