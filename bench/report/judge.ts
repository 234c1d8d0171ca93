import { median } from './statistics.ts'

/** What a figure is to be. */
export interface Target {
  readonly name: string
  readonly unit: string
  readonly atMost?: number
  readonly atLeast?: number
}

/** A target for a figure of each round. */
export interface RoundTarget<Round> extends Target {
  /** `NaN` if the rows that it takes did not run. */
  of(round: Round): number
}

export interface TargetResult {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly target: string
  readonly isMet: boolean
}

/** Each target that the rounds can speak to, by the median of its values. */
export function judgeRounds<Round>(
  targets: readonly RoundTarget<Round>[],
  rounds: readonly Round[],
): readonly TargetResult[] {
  return targets.flatMap(target => judge(target, median(rounds.map(round => target.of(round)))))
}

/** Nothing if the value is not finite. */
export function judge({ name, unit, atMost, atLeast }: Target, value: number): readonly TargetResult[] {
  if (!Number.isFinite(value)) return []
  const target = atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`
  const isMet = value <= (atMost ?? Number.POSITIVE_INFINITY) && value >= (atLeast ?? Number.NEGATIVE_INFINITY)
  return [{ name, value, unit, target, isMet }]
}

export function ratio(a: number | undefined, b: number | undefined): number {
  return (a ?? Number.NaN) / (b ?? Number.NaN)
}

/** CPU µs a decision, front and Redis. */
export function cpu(row: { readonly frontMicros: number; readonly redisMicros: number } | undefined): number {
  return row === undefined ? Number.NaN : row.frontMicros + row.redisMicros
}
