import type { ChildProcess } from 'node:child_process'

export const REPLACEMENT_REASONS = ['crashed', 'killed', 'hung', 'cannot-start', 'replaced'] as const

/**
 * Why a process was replaced: it `crashed`, it was `killed` by a signal from outside (an operator or the kernel's out-of-memory
 * killer), it `hung` and its parent killed it, it reported that it `cannot-start`, as its settings have become invalid, or it was
 * `replaced` on request (SIGHUP).
 */
export type ReplacementReason = (typeof REPLACEMENT_REASONS)[number]

/** Signals that a process raises through its own fault; V8 aborts if it is out of memory. */
const CRASH_SIGNALS: readonly (NodeJS.Signals | null)[] = [
  'SIGABRT',
  'SIGSEGV',
  'SIGBUS',
  'SIGILL',
  'SIGFPE',
  'SIGTRAP',
]

export function reasonOfExit({ signalCode }: ChildProcess): ReplacementReason {
  return signalCode === null || CRASH_SIGNALS.includes(signalCode) ? 'crashed' : 'killed'
}
