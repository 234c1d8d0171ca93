import type { ChildProcess } from 'node:child_process'

export const REPLACEMENT_REASONS = ['crashed', 'killed', 'hung', 'replaced'] as const

/**
 * Why a process was replaced: `crashed` by itself, `killed` by a signal from outside (the kernel's out-of-memory killer, a
 * person), `hung` and therefore killed by its parent, `replaced` on request (SIGHUP).
 */
export type ReplacementReason = (typeof REPLACEMENT_REASONS)[number]

/** Signals that a process raises by its own fault; V8 aborts when it is out of memory. */
const CRASH_SIGNALS: readonly (NodeJS.Signals | null)[] = [
  'SIGABRT',
  'SIGSEGV',
  'SIGBUS',
  'SIGILL',
  'SIGFPE',
  'SIGTRAP',
]

export function reasonOfEnd({ signalCode }: ChildProcess): ReplacementReason {
  return signalCode === null || CRASH_SIGNALS.includes(signalCode) ? 'crashed' : 'killed'
}
