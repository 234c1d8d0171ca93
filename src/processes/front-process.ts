import type { ChildProcess } from 'node:child_process'
import cluster from 'node:cluster'

/** Ignores the error of sending to a primary that has died; `ParentLink` shuts this process down. */
export function ignoreLostPrimary(): void {
  cluster.worker?.on('error', () => undefined)
}

/** Starts one front process with the settings of node:cluster's `setupPrimary`. */
export function forkFront(variables: NodeJS.ProcessEnv): ChildProcess {
  const worker = cluster.fork(variables)
  // Sending to a process that has just died emits an error; without a listener, it would end the primary.
  worker.on('error', () => undefined)
  return worker.process
}
