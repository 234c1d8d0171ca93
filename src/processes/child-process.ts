import type { ChildProcess } from 'node:child_process'
import type { ToChild } from './messages.ts'

/** Sends a message. Ignores a process that has just died: its supervisor handles that. */
export function sendTo(child: ChildProcess, message: ToChild): void {
  void sendAndFlushTo(child, message)
}

/** The same. Resolves once the message has been written, or cannot be. */
export function sendAndFlushTo(child: ChildProcess, message: ToChild): Promise<void> {
  return new Promise(resolve => {
    if (child.connected) child.send(message, () => resolve())
    else resolve()
  })
}

/** Resolves once the process has exited and all its messages were received, or once it has failed to start, for which Node emits no `exit`. */
export function exitOf(child: ChildProcess): Promise<void> {
  return new Promise(resolve => child.once('close', () => resolve()))
}
