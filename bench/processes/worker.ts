import { Service } from '../../test/support/service.ts'

/** Starts a config worker as `npm run start:worker` does. Resolves, once it takes commands, with what ends it. */
export async function startWorker(redisUrl: string): Promise<() => Promise<void>> {
  const worker = await Service.start({ kind: 'worker', isPatient: false, env: { REDIS_URL: redisUrl } })
  return async () => void (await worker.stop())
}
