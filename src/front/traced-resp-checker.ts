import type { OnResult } from '../check/pending-check.ts'
import type { CheckOrigin } from '../check/ports.ts'
import type { CheckCommand } from '../check/resp/command.ts'
import type { CommandChecker } from '../check/resp/command-runner.ts'
import { Problem } from '../lib/errors.ts'
import type { CallLog } from '../observability/call-log.ts'
import type { SpanAttributes, Tracing } from '../tracing/tracer.ts'

/** A checker that is told who asks. */
interface OriginChecker {
  weigh(asked: readonly CheckCommand[]): number
  check(asked: CheckCommand, onResult: OnResult, origin?: CheckOrigin): void
  checkAll(asked: readonly CheckCommand[], onResult: OnResult, origin?: CheckOrigin): void
}

interface TracedRespCheckerOptions extends Tracing {
  readonly checker: OriginChecker
  readonly calls: Pick<CallLog, 'loggedKey'>
}

/** Checks over RESP, with a span for those that arrived together. The protocol has no place for the context of a caller. */
export class TracedRespChecker implements CommandChecker {
  readonly #options: TracedRespCheckerOptions

  constructor(options: TracedRespCheckerOptions) {
    this.#options = options
  }

  weigh(asked: readonly CheckCommand[]): number {
    return this.#options.checker.weigh(asked)
  }

  check(asked: CheckCommand, onResult: OnResult): void {
    const { checker, calls } = this.#options
    this.#traced([asked], onResult, { 'throttler.key': calls.loggedKey(asked.key) }, (onTraced, origin) =>
      checker.check(asked, onTraced, origin),
    )
  }

  checkAll(asked: readonly CheckCommand[], onResult: OnResult): void {
    this.#traced(asked, onResult, { 'throttler.checks': asked.length }, (onTraced, origin) =>
      this.#options.checker.checkAll(asked, onTraced, origin),
    )
  }

  #traced(
    asked: readonly CheckCommand[],
    onResult: OnResult,
    attributes: SpanAttributes,
    decide: (onResult: OnResult, origin?: CheckOrigin) => void,
  ): void {
    const { tracer, spans } = this.#options
    const span = tracer.startSpan(asked[0]?.command ?? 'resp', { kind: 'server' })
    if (span === undefined) {
      decide(onResult)
      return
    }
    const origin = {}
    spans.set(origin, span)
    span.setAttributes({ 'throttler.protocol': 'resp', ...attributes })
    let pending = asked.length
    decide((result, tookMs, index) => {
      if (result instanceof Problem && result.status >= 500) span.fail(result.code)
      onResult(result, tookMs, index)
      if (--pending === 0) span.end()
    }, origin)
  }
}
