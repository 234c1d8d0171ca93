import type { ChildProcess } from 'node:child_process'
import cluster from 'node:cluster'
import type { Logger } from '../observability/logger.ts'
import { closeLostHandover } from './lost-handover.ts'

/** Lets this front process live whose primary died while node:cluster spoke to it; `ParentLink` notices and ends it in order. */
export function surviveLostPrimary(): void {
  cluster.worker?.on('error', () => undefined)
}

/** Starts one front process, as node:cluster's `setupPrimary` says. */
export function forkFront(variables: NodeJS.ProcessEnv, logger: Logger): ChildProcess {
  const worker = cluster.fork(variables)
  // Whatever could not be said to a process that had just died is an error of the worker too; unheard, it would end the primary.
  worker.on('error', () => undefined)
  closeLostHandover(worker.process, () =>
    logger.error(
      { process: 'front' },
      'a process could not receive a connection, which is closed: it has no file descriptor left',
    ),
  )
  return worker.process
}
