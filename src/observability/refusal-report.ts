import type { Logger } from './logger.ts'

interface Messages {
  readonly refused: string
  readonly accepted: string
}

/** Logs once when Redis begins to refuse something, and once when it no longer does. Called after each attempt. */
export function refusalReport(logger: Logger, { refused, accepted }: Messages): (refusal: string | undefined) => void {
  let isRefused = false
  return refusal => {
    if (isRefused === (refusal !== undefined)) return
    isRefused = refusal !== undefined
    if (isRefused) logger.warn({ reason: refusal }, refused)
    else logger.info(accepted)
  }
}
