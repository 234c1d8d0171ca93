import type { ChildProcess } from 'node:child_process'
import type { ToChild } from './messages.ts'

/** A process that has just died cannot be told anything; its end is noticed elsewhere. */
export function tell(child: ChildProcess, message: ToChild): void {
  if (child.connected) child.send(message, () => undefined)
}

/** Resolves once the process has ended, or could not even be started, of which there is no `exit`. */
export function endOf(child: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    child.once('exit', () => resolve())
    child.once('error', () => child.pid === undefined && resolve())
  })
}
