import { Job, type JobProgress, Queue, Worker } from 'bullmq'
import type { CommandJob } from './command-job.ts'

/**
 * BullMQ as it is, but for jobs whose data somebody made no JSON: BullMQ throws whenever it reads one, so that nobody would see it
 * and no worker could end it. It would hold up its partition for the minutes until it is given up as stalled. Here its data is
 * the text that stands there.
 */
class TolerantJob<Data, Result, Name extends string, Progress extends JobProgress> extends Job<
  Data,
  Result,
  Name,
  Progress
> {
  static override fromJSON<T, R, N extends string>(...[queue, json, id]: Parameters<typeof Job.fromJSON>) {
    return Job.fromJSON<T, R, N>(queue, { ...json, data: asJson(json.data) }, id)
  }
}

export class TolerantQueue extends Queue<CommandJob> {
  protected override get Job() {
    return TolerantJob
  }
}

export class TolerantWorker extends Worker<CommandJob> {
  protected override get Job() {
    return TolerantJob
  }
}

function asJson(data: string): string {
  try {
    JSON.parse(data)
    return data
  } catch {
    return JSON.stringify(data)
  }
}
