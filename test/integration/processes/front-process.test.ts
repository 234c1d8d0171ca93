import cluster from 'node:cluster'
import { once } from 'node:events'
import { expect, it } from '@jest/globals'
import { createLogger } from '../../../src/observability/logger.ts'
import { forkFront } from '../../../src/processes/front-process.ts'

it('lets the primary live that speaks to a front process which has just died', async () => {
  const code = `setInterval(() => undefined, 1_000); process.send('up')`
  cluster.setupPrimary({ exec: '-', args: [], execArgv: ['--eval', code] })
  const front = forkFront({ NODE_OPTIONS: '' }, createLogger({ level: 'silent', role: 'test' }))
  const errors: unknown[] = []
  front.on('error', err => errors.push(err))
  await once(front, 'message')
  const exited = new Promise(resolve => front.once('exit', resolve))
  front.kill('SIGKILL')
  // Nothing is heard of its death before it is spoken to.
  const until = performance.now() + 200
  while (performance.now() < until);
  front.send('are you there?')
  await exited
  expect(errors).toMatchObject([{ code: 'EPIPE' }])
})
