import cluster from 'node:cluster'
import { once } from 'node:events'
import { expect, it } from '@jest/globals'
import { forkFront } from '../../../src/processes/front-process.ts'
import { blockUntilEnded } from '../../support/processes.ts'

it('the primary survives sending a message to a front process that has just died', async () => {
  const code = `setInterval(() => undefined, 1_000); process.send('up')`
  cluster.setupPrimary({ exec: '-', args: [], execArgv: ['--eval', code] })
  const front = forkFront({ NODE_OPTIONS: '' })
  const errors: unknown[] = []
  front.on('error', err => errors.push(err))
  await once(front, 'message')
  const exited = new Promise(resolve => front.once('exit', resolve))
  front.kill('SIGKILL')
  blockUntilEnded(front.pid ?? 0)
  front.send('are you there?')
  await exited
  expect(errors).toMatchObject([{ code: 'EPIPE' }])
})
