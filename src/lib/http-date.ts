let text = ''
let untilMs = 0

/** The present time as HTTP writes it, in whole seconds. @see https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7 */
export function httpDate(): string {
  const nowMs = Date.now()
  if (nowMs >= untilMs || nowMs < untilMs - 1000) {
    text = new Date(nowMs).toUTCString()
    untilMs = nowMs - (nowMs % 1000) + 1000
  }
  return text
}
