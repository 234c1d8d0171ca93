import { Counter, Registry } from 'prom-client'
import { REPLACEMENT_REASONS } from './replacement-reason.ts'
import type { SupervisedProcess } from './supervised-process.ts'

/** Counts replacements in the parent, where the counts outlive the process. Every series exists from the start. */
export function countReplacements(slots: readonly SupervisedProcess[], registry: Registry): void {
  const counter = new Counter({
    name: 'throttler_process_replacements_total',
    help: 'Processes that were replaced, by kind and reason',
    labelNames: ['process', 'reason'] as const,
    registers: [registry],
  })
  for (const slot of slots) {
    for (const reason of REPLACEMENT_REASONS) counter.inc({ process: slot.name, reason }, 0)
    slot.on('replaced', reason => counter.inc({ process: slot.name, reason }))
  }
}

/** Counts replacements and sends the counts to the primary, which publishes them: when it starts, and whenever they change. */
export function publishReplacements(slots: readonly SupervisedProcess[], primary: SupervisedProcess): void {
  const registry = new Registry()
  countReplacements(slots, registry)
  const publish = async () => primary.send({ type: 'supervisor-metrics', metrics: await registry.getMetricsAsJSON() })
  primary.on('spawned', publish)
  for (const slot of slots) slot.on('replaced', publish)
}
