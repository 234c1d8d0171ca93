import type { ServerResponse } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'

/**
 * Resolves when the client has read most of what was sent of a response, so that what it leaves unread stays small.
 * @param behind called if the client has yet to read it
 * @returns false if the response is over
 */
export async function whenRead(response: ServerResponse, behind: () => void): Promise<boolean> {
  // A stream asks for its next chunk before it sends the last one.
  await nextTurn()
  if (response.writableNeedDrain) {
    behind()
    await drainOrClose(response)
  }
  return !response.destroyed && !response.writableEnded
}

function drainOrClose(response: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })
}
