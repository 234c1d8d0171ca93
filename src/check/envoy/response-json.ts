import type { CurrentLimit, DescriptorStatus, RateLimitResponse } from './rate-limit-response.ts'

/** An answer in the JSON of protobuf: zero values are absent. */
export function responseJson({ overallCode, statuses, headers }: RateLimitResponse): string {
  return JSON.stringify({
    overallCode,
    statuses: statuses.map(statusJson),
    ...(headers.length > 0 && { responseHeadersToAdd: headers }),
  })
}

function statusJson({ code, currentLimit, limitRemaining, resetAfterMs }: DescriptorStatus) {
  return {
    ...(code !== 'UNKNOWN' && { code }),
    ...(currentLimit !== undefined && { currentLimit: limitJson(currentLimit) }),
    ...(limitRemaining > 0 && { limitRemaining }),
    ...(resetAfterMs !== undefined && { durationUntilReset: durationText(resetAfterMs) }),
  }
}

function limitJson({ name, requestsPerUnit, unit }: CurrentLimit) {
  return { name, requestsPerUnit, ...(unit !== 'UNKNOWN' && { unit }) }
}

/** Such as `12s` or `0.250s`. */
function durationText(ms: number): string {
  return ms % 1_000 === 0 ? `${ms / 1_000}s` : `${(ms / 1_000).toFixed(3)}s`
}
