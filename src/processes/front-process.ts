import type { ChildProcess } from 'node:child_process'
import cluster from 'node:cluster'
import type { Logger } from '../observability/logger.ts'
import { closeLostHandovers } from './lost-handovers.ts'

/** Ignores the error of sending to a primary that has died; `ParentLink` shuts this process down. */
export function ignoreLostPrimary(): void {
  cluster.worker?.on('error', () => undefined)
}

/** Starts one front process with the settings of node:cluster's `setupPrimary`. */
export function forkFront(variables: NodeJS.ProcessEnv, logger: Logger): ChildProcess {
  const worker = cluster.fork(variables)
  // Sending to a process that has just died emits an error; without a listener, it would end the primary.
  worker.on('error', () => undefined)
  closeLostHandovers(worker.process, () =>
    logger.error(
      { process: 'front' },
      'a connection was closed: the process that was to serve it has no file descriptors left',
    ),
  )
  return worker.process
}
