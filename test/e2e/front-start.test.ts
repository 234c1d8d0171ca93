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

/** Runs a front process without Redis, whose parent answers its questions. Resolves with its exit code and the types of its messages. */
async function runFront(stopsAt: FromChild['type'], replaced: boolean): Promise<{ code: number; said: string[] }> {
  // Unless a process is replaced, its stop waits for the primary for a fifth of the time limit.
  const env = { REDIS_URL: WITHOUT_REDIS, PORT: String(await freePort()), SHUTDOWN_TIMEOUT_MS: '20000' }
  const front = fork('dist/src/server.js', [SUPERVISED], { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const said: string[] = []
  front.on('message', (message: FromChild) => {
    said.push(message.type)
    if (message.type === stopsAt) sendTo(front, { type: 'stop', drainMs: 0, replaced })
    if (message.type === 'query-others') {
      sendTo(front, { type: 'others', id: message.id, knowPolicies: false, reachStore: false })
    }
  })
  const [code] = await once(front, 'close')
  return { code, said }
}

it('a front process that is told to stop while it starts does not listen', async () => {
  const { code, said } = await runFront('query-observations', false)
  expect(code).toBe(0)
  expect(said).toContain('query-others')
  expect(said).not.toContain('about-to-listen')
})

it('a front process that serves without Redis reports once that its circuit is open', async () => {
  const { code, said } = await runFront('ready', true)
  expect(code).toBe(0)
  expect(said.filter(type => type === 'circuit-opened')).toHaveLength(1)
})
