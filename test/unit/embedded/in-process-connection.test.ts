import { expect, it } from '@jest/globals'
import { InProcessConnection } from '../../../src/embedded/in-process-connection.ts'

/** A connection to a server that sends one part of its reply in each step. */
function given(parts: readonly string[]): InProcessConnection {
  const left = parts.map(part => Buffer.from(part))
  const connection = new InProcessConnection(() => {
    const part = left.shift()
    if (part !== undefined) connection.write(part)
  })
  return connection
}

it('the connection accepts a reply in any number of parts', () => {
  const parts = Array.from({ length: 1_000 }, () => 'x'.repeat(64))
  expect(given([`$${parts.join('').length}\r\n`, ...parts, '\r\n']).call('GET', 'k')).toBe(parts.join(''))
})

it('the connection fails if a reply stays incomplete', () => {
  expect(() => given(['$5\r\nhal']).call('GET', 'k')).toThrow('the embedded store answered 0 of 1 commands')
})
