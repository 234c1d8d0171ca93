import type { Logger } from '../observability/logger.ts'
import type { ParentLink } from './parent-link.ts'
import { onStopSignal, type StopSignal } from './stop-signals.ts'

/** Why a process stops. */
type StopReason = StopSignal | 'parent lost' | 'told by the parent'

export interface StopRequest {
  /** Go on answering those who are connected for up to so long, ms. */
  readonly drainMs: number
  /** A successor is there already, and takes those who connect. */
  readonly replaced: boolean
  /** The parent was killed: there is little time, and nobody to ask. */
  readonly orphaned: boolean
}

interface ShutdownOptions {
  /** The parent, if this process has one; then it alone says when to stop. */
  readonly parent: ParentLink | undefined
  /** After so long the process ends whatever is still under way, ms. */
  readonly timeoutMs: number
  readonly logger: Logger
}

/** Nothing may be left 5 s after a parent was killed. */
const ORPHAN_TIMEOUT_MS = 4_000

/**
 * Ends the process once, in an orderly way: on SIGTERM or SIGINT, or, where it is supervised, on its parent's word or death.
 * Further signals change nothing, since npm passes on those that a terminal had sent to all processes already; supervised
 * processes ignore them altogether, as only the parent knows who must go first.
 */
export function stopOnRequest(
  stop: (request: StopRequest) => Promise<void>,
  options: ShutdownOptions,
): (reason: StopReason) => void {
  const { parent, timeoutMs, logger } = options
  let stopping = false
  const say = (fields: object, message: string) => logger[parent === undefined ? 'info' : 'debug'](fields, message)

  const begin = (reason: StopReason, request: StopRequest = { drainMs: 0, replaced: false, orphaned: false }) => {
    // Of a stop that is under way, only its limit may become shorter.
    if (request.orphaned || !stopping) limitTo(request.orphaned ? Math.min(timeoutMs, ORPHAN_TIMEOUT_MS) : timeoutMs)
    if (stopping) return
    stopping = true
    say({ reason }, 'stopping')
    stop(request).then(
      () => {
        say({ reason }, 'stopped')
        process.exit(0)
      },
      err => {
        logger.error({ err }, 'the stop failed')
        process.exit(1)
      },
    )
  }

  const limitTo = (limitMs: number) =>
    setTimeout(() => {
      logger.error(`not stopped after ${limitMs} ms: ending now`)
      process.exit(1)
    }, limitMs).unref()

  onStopSignal(signal => parent === undefined && begin(signal))
  // A terminal that closes sends this to all; to a primary it says to replace its processes.
  if (parent !== undefined) process.on('SIGHUP', () => undefined)
  parent?.onMessage(message => message.type === 'stop' && begin('told by the parent', { ...message, orphaned: false }))
  parent?.onLost(() => begin('parent lost', { drainMs: 0, replaced: false, orphaned: true }))
  return reason => begin(reason)
}
