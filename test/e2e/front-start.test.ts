import { fork } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { expect, it } from '@jest/globals'
import { sendTo } from '../../src/processes/child-process.ts'
import type { FromChild } from '../../src/processes/messages.ts'
import { SUPERVISED } from '../../src/processes/parent-link.ts'
import { freePort } from '../support/free-port.ts'

const WITHOUT_REDIS = 'redis://127.0.0.1:1'

it('a front process whose settings have become invalid reports that to its primary, without a stack', async () => {
  const env = { REDIS_URL: WITHOUT_REDIS, ADMIN_TOKENS: 'ops:short' }
  const front = fork('dist/src/server.js', [SUPERVISED], { env, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  const said = text(front.stderr as NodeJS.ReadableStream)
  const reports: unknown[] = []
  front.on('message', message => reports.push(message))
  const [code] = await once(front, 'close')
  expect([code, await said]).toEqual([1, ''])
  expect(reports).toContainEqual({ type: 'cannot-start', reason: expect.stringContaining('"ADMIN_TOKENS"') })
})

it('a front process that is told to stop while it starts does not listen', async () => {
  // The stop waits for the primary for a fifth of its time limit, and the start ends before.
  const env = { REDIS_URL: WITHOUT_REDIS, PORT: String(await freePort()), SHUTDOWN_TIMEOUT_MS: '20000' }
  const front = fork('dist/src/server.js', [SUPERVISED], { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const said: string[] = []
  front.on('message', (message: FromChild) => {
    said.push(message.type)
    if (message.type === 'query-queues') sendTo(front, { type: 'stop', drainMs: 0, replaced: false })
    if (message.type === 'query-others') {
      sendTo(front, { type: 'others', id: message.id, knowPolicies: false, reachStore: false })
    }
  })
  const [code] = await once(front, 'close')
  expect(code).toBe(0)
  expect(said).toContain('query-others')
  expect(said).not.toContain('about-to-listen')
})
