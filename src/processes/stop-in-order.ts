import type { SupervisedProcess } from './supervised-process.ts'

interface Processes {
  readonly front: SupervisedProcess
  readonly worker: SupervisedProcess
  /** The embedded store, if there is one. */
  readonly store: SupervisedProcess | undefined
}

/**
 * Stops each process after those that need it. Resolves with whether everything is kept that was accepted. A store that is not ready yet has
 * accepted nothing, however it ends.
 */
export async function stopInOrder({ front, worker, store }: Processes): Promise<boolean> {
  await front.stop()
  const isWorkerDone = await worker.stop()
  if (store === undefined) return true
  const hasAccepted = store.working.length > 0
  const isStoreDone = await store.stop()
  return isWorkerDone && (isStoreDone || !hasAccepted)
}
