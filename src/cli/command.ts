import type { ParseArgsConfig } from 'node:util'
import { OperatorError } from '../lib/operator-error.ts'
import type { ExitCode } from './exit-code.ts'

/** The options of a command line, by name. */
type Values = Readonly<Record<string, string | boolean | undefined>>

/** One command of `throttler`. */
export interface CliCommand {
  /** Its arguments, as usage shows them. */
  readonly arguments: string
  /** One line for the list of commands. */
  readonly summary: string
  /** The text of `--help` after the summary. */
  readonly details: string
  readonly options?: NonNullable<ParseArgsConfig['options']>
  /** The number of arguments that are not options. */
  readonly operands?: { readonly min: number; readonly max: number }
  /** Resolves with the exit code; never resolves for a service. */
  run(values: Values, operands: readonly string[]): Promise<ExitCode>
}

/** An invalid command line. The message says what was given and what is allowed. */
export class UsageError extends OperatorError {}
