import type { Socket } from 'node:net'
import { ignoreInput } from './parsers.ts'

/**
 * Closes a connection and ignores what it has sent. Otherwise Node would handle every request and every chunk of a body in the bytes
 * that it has read, which can be ten thousand.
 */
export function disconnect(connection: Socket): void {
  connection.destroy()
  ignoreInput(connection)
}
