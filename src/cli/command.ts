import type { ParseArgsConfig } from 'node:util'
import { OperatorError } from '../lib/operator-error.ts'
import type { ExitCode } from './exit-code.ts'

/** The given options, by name. */
export type Values = Readonly<Record<string, string | boolean | undefined>>

/** One command of `throttler`. */
export interface CliCommand {
  /** The arguments in the usage line. */
  readonly arguments: string
  /** One line in the list of commands. */
  readonly summary: string
  /** The text of `--help` after the summary. */
  readonly details: string
  readonly options?: NonNullable<ParseArgsConfig['options']>
  /** How many operands it takes. */
  readonly operands?: { readonly min: number; readonly max: number }
  /** Resolves with the exit code of the process; never resolves if the command is a service. */
  run(values: Values, operands: readonly string[]): Promise<ExitCode>
}

/** An argument is invalid. The message says which, and what is allowed. */
export class UsageError extends OperatorError {}
