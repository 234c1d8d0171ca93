import { expect, it } from '@jest/globals'
import { InProcessConnection } from '../../../src/embedded/in-process-connection.ts'

/** A connection to a server that sends one part of its reply a step. */
function given(parts: readonly string[]): InProcessConnection {
  const left = parts.map(part => Buffer.from(part))
  const connection = new InProcessConnection(() => {
    const part = left.shift()
    if (part !== undefined) connection.write(part)
  })
  return connection
}

it('takes a reply of however many parts', () => {
  const parts = Array.from({ length: 1_000 }, () => 'x'.repeat(64))
  expect(given([`$${parts.join('').length}\r\n`, ...parts, '\r\n']).call('GET', 'k')).toBe(parts.join(''))
})

it('does not wait for ever', () => {
  expect(() => given(['$5\r\nhal']).call('GET', 'k')).toThrow('the embedded store did not answer GET')
})
