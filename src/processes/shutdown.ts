import { setTimeout as sleep } from 'node:timers/promises'
import { faultFields } from '../lib/operator-error.ts'
import type { Logger } from '../observability/logger.ts'
import type { ParentLink } from './parent-link.ts'
import { onStopSignal, type StopSignal } from './stop-signals.ts'

/** Why a process stops. */
type StopReason = StopSignal | 'parent lost' | 'told by the parent'

export interface StopRequest {
  /** How long to keep serving open connections, in ms. */
  readonly drainMs: number
  /** A successor is running and accepts new connections. */
  readonly replaced: boolean
  /** The parent is gone: there is little time, and no one answers queries. */
  readonly orphaned: boolean
}

interface ShutdownOptions {
  /** The parent, if this process is supervised; then only the parent decides when to stop. */
  readonly parent: ParentLink | undefined
  /** Time limit of the stop, in ms. After it, the process exits with 1. */
  readonly timeoutMs: number
  /** Called if the process stops because it is replaced, and meanwhile the whole instance stops or the parent is lost. */
  readonly onSooner?: (request: StopRequest) => void
  /** What the process still has to report if the time limit ends it. */
  readonly beforeForcedExit?: () => Promise<void>
  readonly logger: Logger
}

/** No process may be left 5 s after its parent was killed. */
const ORPHAN_TIMEOUT_MS = 4_000

/** How long a report before a forced exit may take, in ms. Half a second later, the parent kills the process. */
const LAST_REPORT_MS = 500

/**
 * Stops the process gracefully, once: on SIGTERM or SIGINT or, if it is supervised, at its parent's request or after its parent's
 * death. Further signals change nothing, because npm forwards signals that the terminal has already sent to all processes.
 * Supervised processes ignore signals, because only the parent knows the order in which they stop.
 */
export function stopOnRequest(
  stop: (request: StopRequest) => Promise<void>,
  options: ShutdownOptions,
): (reason: StopReason) => void {
  const { parent, timeoutMs, onSooner, beforeForcedExit, logger } = options
  let isStopping = false
  let isReplaced = false
  const log = (fields: object, message: string) => logger[parent === undefined ? 'info' : 'debug'](fields, message)

  const begin = (reason: StopReason, request: StopRequest = { drainMs: 0, replaced: false, orphaned: false }) => {
    // During a stop, only its times can change, and only to shorter ones.
    if (request.orphaned || !isStopping) limitTo(request.orphaned ? Math.min(timeoutMs, ORPHAN_TIMEOUT_MS) : timeoutMs)
    if (isReplaced && !request.replaced) onSooner?.(request)
    isReplaced = request.replaced
    if (isStopping) return
    isStopping = true
    log({ reason }, 'stopping')
    stop(request).then(
      () => {
        log({ reason }, 'stopped')
        process.exit(0)
      },
      err => {
        logger.error(faultFields(err), 'the stop failed')
        process.exit(1)
      },
    )
  }

  const limitTo = (limitMs: number) =>
    setTimeout(async () => {
      logger.error(`not stopped within ${limitMs} ms: exiting now`)
      await Promise.race([beforeForcedExit?.(), sleep(LAST_REPORT_MS)]).catch(() => undefined)
      process.exit(1)
    }, limitMs).unref()

  onStopSignal(signal => parent === undefined && begin(signal))
  // A closing terminal sends SIGHUP to all processes. Only the supervisor and an unsupervised primary act on it.
  if (parent !== undefined) process.on('SIGHUP', () => undefined)
  parent?.onMessage(message => message.type === 'stop' && begin('told by the parent', { ...message, orphaned: false }))
  parent?.onLost(() => begin('parent lost', { drainMs: 0, replaced: false, orphaned: true }))
  return reason => begin(reason)
}
