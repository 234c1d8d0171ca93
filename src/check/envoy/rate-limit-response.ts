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

/** Bytes that a response takes as a rule, besides its statuses; and those of a status. */
const BYTES_OF_HEADERS = 256
const BYTES_OF_STATUS = 40

export function encodeResponse({ overallCode, statuses, headers }: RateLimitResponse): Buffer {
  const writer = new WireWriter(BYTES_OF_HEADERS + BYTES_OF_STATUS * statuses.length)
  writer.number(1, CODES[overallCode])
  for (const status of statuses) writeStatus(writer, status)
  for (const header of headers) writeHeader(writer, header)
  return writer.finish()
}

function writeStatus(writer: WireWriter, { code, currentLimit, limitRemaining, resetAfterMs }: DescriptorStatus): void {
  const start = writer.begin(2)
  writer.number(1, CODES[code])
  if (currentLimit !== undefined) writeLimit(writer, currentLimit)
  writer.number(3, limitRemaining)
  if (resetAfterMs !== undefined) writeDuration(writer, resetAfterMs)
  writer.end(start)
}

function writeLimit(writer: WireWriter, { name, requestsPerUnit, unit }: CurrentLimit): void {
  const start = writer.begin(2)
  writer.number(1, requestsPerUnit).number(2, UNITS[unit]).string(3, name)
  writer.end(start)
}

/** A `google.protobuf.Duration`: seconds and nanoseconds. */
function writeDuration(writer: WireWriter, ms: number): void {
  const start = writer.begin(4)
  writer.number(1, Math.floor(ms / 1_000)).number(2, (ms % 1_000) * 1_000_000)
  writer.end(start)
}

function writeHeader(writer: WireWriter, { key, value }: ResponseHeader): void {
  const start = writer.begin(3)
  writer.string(1, key).string(2, value)
  writer.end(start)
}
