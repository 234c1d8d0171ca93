import { setMaxListeners } from 'node:events'
import type { Socket } from 'node:net'
import { clientOf } from '../lib/client-of.ts'
import type { Task } from '../lib/turns.ts'

/** Where tasks wait. */
export interface TaskQueue {
  /** Returns a function that withdraws the task, unless it has run. */
  add(client: string, task: Task): () => void
}

/** The connection that waits, and the address of its client. */
export interface Waiter {
  readonly socket: Socket
  readonly ip: string | undefined
}

/** A task for a request. */
export interface RequestTask extends Task {
  /** It will not run: the connection has closed. */
  gone?(): void
}

/** Adds a task, which leaves the queue when the connection closes. Returns a function that withdraws it. */
export function waitForTurn(queue: TaskQueue, { socket, ip }: Waiter, task: RequestTask): () => void {
  if (socket.destroyed) {
    task.gone?.()
    return () => undefined
  }
  const leave = () => {
    withdraw()
    socket.off('close', onClose)
  }
  const onClose = () => {
    leave()
    task.gone?.()
  }
  // Each of the pipelined requests of a connection can wait.
  setMaxListeners(0, socket)
  socket.on('close', onClose)
  const leaving = (then: (() => void) | undefined) => () => {
    socket.off('close', onClose)
    then?.call(task)
  }
  const withdraw = queue.add(clientOf(ip), { ...task, run: leaving(task.run), drop: leaving(task.drop) })
  return leave
}
