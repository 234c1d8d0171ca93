import { Job, type JobProgress, Queue } from 'bullmq'
import { parseJson } from '../lib/parse-json.ts'
import type { CommandJob } from './command-job.ts'

/**
 * BullMQ, except that it tolerates jobs whose data is not valid JSON. BullMQ throws whenever it reads such a job, so no operator
 * would see it and no worker could end it; it would block its partition until it counts as stalled. Here its data is the raw text.
 */
export class MalformedJob<Data, Result, Name extends string, Progress extends JobProgress> extends Job<
  Data,
  Result,
  Name,
  Progress
> {
  static override fromJSON<T, R, N extends string>(...[queue, json, id]: Parameters<typeof Job.fromJSON>) {
    return Job.fromJSON<T, R, N>(queue, { ...json, data: asJson(json.data) }, id)
  }
}

export class MalformedJobQueue extends Queue<CommandJob> {
  protected override get Job() {
    return MalformedJob
  }
}

function asJson(data: string): string {
  return parseJson(data) === undefined ? JSON.stringify(data) : data
}
