import type { ParseArgsConfig } from 'node:util'
import { OperatorError } from '../lib/operator-error.ts'
import type { ExitCode } from './exit-code.ts'

/** What was given on the command line, by the name of the option. */
type Values = Readonly<Record<string, string | boolean | undefined>>

/** One command of `throttler`. */
export interface CliCommand {
  /** Its arguments, as usage shows them. */
  readonly arguments: string
  /** One line for the list of commands. */
  readonly summary: string
  /** What `--help` says beyond the summary. */
  readonly details: string
  readonly options?: NonNullable<ParseArgsConfig['options']>
  /** How many arguments that are no options it takes. */
  readonly operands?: { readonly min: number; readonly max: number }
  /** Resolves with what the process ends with; never, where the command is a service. */
  run(values: Values, operands: readonly string[]): Promise<ExitCode>
}

/** Something is wrong with what was given; the message says what, and what is allowed. */
export class UsageError extends OperatorError {}
