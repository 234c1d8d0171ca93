import { cut } from '../lib/cut.ts'
import type { Problem } from '../lib/errors.ts'
import { LineBudget } from '../lib/line-budget.ts'
import type { LoggedKey } from './logged-keys.ts'
import type { Logger } from './logger.ts'

/** A check that takes longer is logged, in ms. */
const SLOW_CHECK_MS = 250

/**
 * Lines a second for each kind of call. A line costs more than the call that it reports, and a flood of other calls must not hide
 * those of operators.
 */
const LINES_PER_SECOND = { check: 50, operator: 200, other: 50 }

/** Of a text that callers choose, so that the budget of lines also bounds their bytes. The longest valid key has as many. */
const MAX_LOGGED_CHARACTERS = 256

export type CallKind = keyof typeof LINES_PER_SECOND

/** What a line says of its call. It is only computed for a line that is written. */
type Describe = () => object

interface CallLogOptions {
  readonly logger: Logger
  readonly loggedKey: LoggedKey
  /** What a line says of the cause of a problem. */
  causeFields(cause: unknown): object
}

/** Lines about calls of every protocol, within one budget for each kind of call. */
export class CallLog {
  readonly #logger: Logger
  readonly #loggedKey: LoggedKey
  readonly #causeFields: CallLogOptions['causeFields']
  readonly #budgets = {
    check: new LineBudget(LINES_PER_SECOND.check, () => performance.now()),
    operator: new LineBudget(LINES_PER_SECOND.operator, () => performance.now()),
    other: new LineBudget(LINES_PER_SECOND.other, () => performance.now()),
  }

  constructor({ logger, loggedKey, causeFields }: CallLogOptions) {
    this.#logger = logger
    this.#loggedKey = loggedKey
    this.#causeFields = causeFields
  }

  /** Whether every call has a line. Otherwise checks have one only if they fail or are slow. */
  get isVerbose(): boolean {
    return this.#logger.isLevelEnabled('debug')
  }

  /** A check was slow. @param ms its duration */
  slow(ms: number, describe: Describe): void {
    this.#write('warn', 'check', 'slow check', () => ({ ...describe(), ms: rounded(ms) }))
  }

  /** A call is answered with a problem that the service caused. */
  failed(kind: CallKind, { code, cause, detail }: Problem, describe: Describe): void {
    const line = () => ({ ...describe(), code, ...this.#causeFields(cause) })
    if (code === 'internal') this.#write('error', kind, 'internal error', line)
    else this.#write('warn', kind, detail, line)
  }

  /** A caller has presented no valid token. */
  loginRefused(describe: Describe): void {
    this.#write('info', 'other', 'login refused', describe)
  }

  /** A client speaks another protocol than its port does. */
  wrongProtocol(message: string, describe: Describe): void {
    this.#write('warn', 'other', message, describe)
  }

  /** A call has ended. @param ms its duration */
  ended(level: 'debug' | 'info', kind: CallKind, message: string, ms: number, describe: Describe): void {
    this.#write(level, kind, message, () => ({ ...describe(), ms: rounded(ms) }))
  }

  /** A caller's key as it appears in a line. */
  loggedKey(key: string): string | undefined {
    return bounded(this.#loggedKey(key))
  }

  #write(level: 'debug' | 'info' | 'warn' | 'error', kind: CallKind, message: string, line: Describe): void {
    if (!this.#logger.isLevelEnabled(level)) return
    const suppressed = level === 'debug' ? 0 : this.#budgets[kind].take()
    if (suppressed === undefined) return
    this.#logger[level]({ ...line(), suppressed: suppressed || undefined }, message)
  }
}

/** Whether a check is logged because it took this many ms. */
export function isSlow(ms: number): boolean {
  return ms >= SLOW_CHECK_MS
}

/** A text that a caller chose, as it appears in a line. */
export function bounded(text: string | undefined): string | undefined {
  return text && cut(text, MAX_LOGGED_CHARACTERS)
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100
}
