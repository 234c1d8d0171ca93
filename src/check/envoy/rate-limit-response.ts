import { WireWriter } from '../../grpc/wire-writer.ts'
import { UNITS, type Unit } from './units.ts'

/** Answers, with their numbers. */
const CODES = { UNKNOWN: 0, OK: 1, OVER_LIMIT: 2 } as const
export type Code = keyof typeof CODES

export interface CurrentLimit {
  readonly name: string
  readonly requestsPerUnit: number
  readonly unit: Unit
}

/** The answer for one descriptor. */
export interface DescriptorStatus {
  /** `UNKNOWN` if there is no decision for it, in an answer that another descriptor decides. */
  readonly code: Code
  readonly currentLimit?: CurrentLimit | undefined
  readonly limitRemaining: number
  /** In whole ms; `undefined` if unknown, or if there is no limit. */
  readonly resetAfterMs?: number | undefined
}

export interface ResponseHeader {
  readonly key: string
  readonly value: string
}

/** The answer to a request. @see envoy/service/ratelimit/v3/rls.proto, `RateLimitResponse` */
export interface RateLimitResponse {
  readonly overallCode: Code
  /** In the order of the descriptors. */
  readonly statuses: readonly DescriptorStatus[]
  /** For the response to the client. */
  readonly headers: readonly ResponseHeader[]
}

export function encodeResponse({ overallCode, statuses, headers }: RateLimitResponse): Buffer {
  const writer = new WireWriter().number(1, CODES[overallCode])
  for (const status of statuses) writer.message(2, statusMessage(status))
  for (const { key, value } of headers) writer.message(3, new WireWriter().string(1, key).string(2, value))
  return writer.finish()
}

function statusMessage({ code, currentLimit, limitRemaining, resetAfterMs }: DescriptorStatus): WireWriter {
  const writer = new WireWriter().number(1, CODES[code])
  if (currentLimit !== undefined) writer.message(2, limitMessage(currentLimit))
  writer.number(3, limitRemaining)
  if (resetAfterMs !== undefined) writer.message(4, durationMessage(resetAfterMs))
  return writer
}

function limitMessage({ name, requestsPerUnit, unit }: CurrentLimit): WireWriter {
  return new WireWriter().number(1, requestsPerUnit).number(2, UNITS[unit]).string(3, name)
}

/** A `google.protobuf.Duration`: seconds and nanoseconds. */
function durationMessage(ms: number): WireWriter {
  return new WireWriter().number(1, Math.floor(ms / 1_000)).number(2, (ms % 1_000) * 1_000_000)
}
