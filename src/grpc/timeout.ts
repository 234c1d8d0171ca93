import type { Status } from './status.ts'

const MS_PER_UNIT: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
}

/** The time of a `grpc-timeout` such as `20m` in ms; `undefined` if it is malformed. */
export function timeoutMs(field: string): number | undefined {
  const [, digits, unit = ''] = /^([0-9]{1,8})([HMSmun])$/.exec(field) ?? []
  return digits === undefined ? undefined : Number(digits) * (MS_PER_UNIT[unit] as number)
}

/** The status of a call whose `grpc-timeout` is malformed. */
export function malformedTimeout(given: string | undefined): Status {
  return { name: 'INVALID_ARGUMENT', message: `grpc-timeout must be like 20m, with up to 8 digits; was ${given}` }
}
