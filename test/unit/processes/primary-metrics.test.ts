import { EventEmitter } from 'node:events'
import { expect, it } from '@jest/globals'
import { PrimaryMetrics } from '../../../src/processes/primary-metrics.ts'
import type { SupervisedProcess } from '../../../src/processes/supervised-process.ts'

/** A front process's slot: the processes that serve, and the one that was started last. */
function slot(working: readonly string[], current?: string): SupervisedProcess {
  return Object.assign(new EventEmitter(), { name: 'front', working, current }) as unknown as SupervisedProcess
}

it('the primary counts the front processes that serve: also one whose successor cannot start, and none that is starting', async () => {
  const slots = [slot(['first'], 'first'), slot(['second']), slot(['third']), slot([], 'starting')]
  const { registry } = new PrimaryMetrics(slots, [])
  expect(await registry.getSingleMetricAsString('throttler_front_processes')).toMatch(/^throttler_front_processes 3$/m)
})
