import { ErrorCode, type Job, type Queue } from 'bullmq'

/** Jobs that are read at once. */
const JOBS_PER_READ = 100

/** Retries a failed job. @returns `false` if it has not failed, or is being retried already */
export async function retryFailed(job: Job): Promise<boolean> {
  try {
    await job.retry('failed')
    return true
  } catch (err) {
    if (isGone(err)) return false
    throw err
  }
}

/** Retries the jobs that have failed by now, the oldest failure first. */
export async function retryAllFailed(queue: Queue): Promise<{ retried: number; skipped: number }> {
  const total = await queue.getFailedCount()
  let retried = 0
  for (let seen = 0; seen < total; ) {
    const jobs = await queue.getJobs('failed', 0, JOBS_PER_READ - 1, true)
    if (jobs.length === 0) break
    for (const job of jobs.slice(0, total - seen)) if (await retryFailed(job)) retried++
    seen += jobs.length
  }
  return { retried, skipped: total - retried }
}

function isGone(err: unknown): boolean {
  const { code } = Object(err) as { code?: unknown }
  return code === ErrorCode.JobNotInState || code === ErrorCode.JobNotExist
}
