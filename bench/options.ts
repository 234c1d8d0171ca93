import { parseArgs } from 'node:util'
import { MEMORY, ROWS } from './rows.ts'

export interface Options {
  readonly rounds: number
  /** How long each row is measured in each round. */
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly buckets: number
  /** The names of what is measured. */
  readonly only: readonly string[]
  /** Whether this run measures everything, as the committed results do. */
  readonly isComplete: boolean
}

export const USAGE = `npm run bench -- [--rounds 5] [--seconds 3] [--only NAME,NAME…] [--quick]
  --quick  one round of a second, a tenth of the buckets
  --only   ${[...ROWS.map(row => row.name), MEMORY].join(', ')}
Only a run of everything, without --quick, writes bench/results/latest.json and docs/benchmarks.md.`

/** @throws when an argument is unknown or no positive number */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  })
  const { quick } = values
  const known = [...ROWS.map(row => row.name), MEMORY]
  const only = values.only?.split(',') ?? known
  const unknown = only.filter(name => !known.includes(name))
  if (unknown.length > 0) throw new RangeError(`there is no ${unknown.join(', ')}`)
  return {
    rounds: positive('rounds', values.rounds, quick ? 1 : 5),
    seconds: positive('seconds', values.seconds, quick ? 1 : 3),
    // Not a whole number: what happens once a second would fall on both ends of what is measured.
    warmUpSeconds: 1.5,
    buckets: quick ? 100_000 : 1_000_000,
    only,
    isComplete: values.only === undefined && !quick,
  }
}

function positive(name: string, given: string | undefined, byDefault: number): number {
  const value = given === undefined ? byDefault : Number(given)
  if (value > 0) return value
  throw new RangeError(`--${name} was ${given}; a positive number is allowed`)
}
