import type { Decision } from '../domain/decision.ts'
import type { Policy } from '../domain/policy.ts'
import type { BucketReading } from '../domain/reading.ts'
import type { Problem } from '../lib/errors.ts'
import type { Batched } from './batcher.ts'
import type { BucketCheck, CheckOrigin } from './ports.ts'

/** A check as its caller asks for it. */
export interface AskedCheck {
  readonly key: string
  readonly tokens: number
  /** The config key of the policy that the caller names. */
  readonly policy?: string | undefined
  /** The policy that decides, if the protocol has found it already. */
  readonly resolvedPolicy?: Policy
  /** More tokens than a limit ever holds are a denial, not `tokens-exceed-capacity`. */
  readonly isExcessDenied?: boolean
  /** When the check is decided without the store at the latest, by `performance.now()`, if that is before the store's timeout. */
  readonly deadlineMs?: number
}

/** A decision, or why there is none. */
export type CheckResult = Decision | Problem

/** Receives a result, the time that it took in ms, and the index of its check among those that came together. */
export type OnResult = (result: CheckResult, tookMs: number, index: number) => void

/**
 * A check that waits for its result. Most of what a check costs besides HTTP is what it allocates, so everything that is kept of
 * it is in this one object.
 */
export interface PendingCheck extends BucketCheck, Batched {
  readonly index: number
  readonly isExcessDenied: boolean
  /** Infinity unless its caller has one. */
  readonly deadlineMs: number
  readonly onResult: OnResult
  readonly origin: CheckOrigin | undefined
  /** Set while other checks wait for this one's result. */
  recheck: Recheck | undefined
}

/** The first check that asks the store again after a denial, with the checks that wait for its result. */
export interface Recheck {
  readonly check: PendingCheck
  readonly waiting: PendingCheck[]
}

/**
 * Receives the reading of a check, or `undefined` if the store could not be asked.
 * @param nowMs by `performance.now()`
 */
export type OnReading = (check: PendingCheck, reading: BucketReading | undefined, nowMs: number) => void

/** Where checks wait for the store. */
export interface CheckQueue {
  /** Checks that wait to be sent, and those that timed out and are not decided yet. */
  readonly waiting: number
  /** Sends the check with the next call of the store. */
  enqueue(check: PendingCheck): void
}

export type OpenQueue = (onReading: OnReading) => CheckQueue
