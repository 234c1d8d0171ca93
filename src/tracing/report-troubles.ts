import { DiagLogLevel, diag } from '@opentelemetry/api'
import { setGlobalErrorHandler } from '@opentelemetry/core'
import { LineBudget } from '../lib/line-budget.ts'
import type { Logger } from '../observability/logger.ts'

/** An unreachable collector is reported once in this time, in ms. */
const INTERVAL_MS = 60_000

/** Lines in that time: a wrong setting and an unreachable collector have one each. */
const MAX_LINES = 2

/** Logs what goes wrong in OpenTelemetry's SDK, within a budget. It concerns the traces alone. */
export function reportTroubles(logger: Logger): void {
  const budget = new LineBudget(MAX_LINES, () => performance.now(), INTERVAL_MS)
  const report = (reason: string) => {
    const suppressed = budget.take()
    if (suppressed === undefined) return
    logger.warn({ reason, suppressed: suppressed || undefined }, 'traces may be lost')
  }
  setGlobalErrorHandler(err => report(reasonOf(err)))
  const ignore = () => undefined
  diag.setLogger(
    { error: report, warn: report, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  )
}

/** An error that stands for several, such as one for each address of a host, has no message. */
function reasonOf(err: unknown): string {
  if (!(err instanceof Error)) return String(err)
  const { message, code } = err as NodeJS.ErrnoException
  return message || String(code ?? err.name)
}
