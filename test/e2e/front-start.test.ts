import { fork } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { expect, it } from '@jest/globals'
import { SUPERVISED } from '../../src/processes/parent-link.ts'

it('a front process whose settings have become invalid reports that to its primary, without a stack', async () => {
  const env = { REDIS_URL: 'redis://127.0.0.1:1', ADMIN_TOKENS: 'ops:short' }
  const front = fork('dist/src/server.js', [SUPERVISED], { env, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  const said = text(front.stderr as NodeJS.ReadableStream)
  const reports: unknown[] = []
  front.on('message', message => reports.push(message))
  const [code] = await once(front, 'close')
  expect([code, await said]).toEqual([1, ''])
  expect(reports).toContainEqual({ type: 'cannot-start', reason: expect.stringContaining('"ADMIN_TOKENS"') })
})
