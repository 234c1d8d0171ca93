import { expect, it } from '@jest/globals'
import { maxConnections } from '../../../src/connections/max-connections.ts'

const limits = (soft: string) => `Max processes             1000    1000    processes
Max open files            ${soft}                 1048576              files
Max locked memory         unlimited            unlimited            bytes
`

it.each([
  [limits('1048576'), 10_000],
  [limits('unlimited'), 10_000],
  [limits('10100'), 10_000],
  [limits('1024'), 924],
  [limits('50'), 1],
  ['', 10_000],
  [undefined, 10_000],
])('a process holds as many connections as its file descriptors allow (%#)', (text, expected) => {
  expect(maxConnections(text)).toBe(expected)
})
