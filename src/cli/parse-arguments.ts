import { parseArgs } from 'node:util'
import { type CliCommand, UsageError } from './command.ts'

type Options = NonNullable<CliCommand['options']>

const NEGATIVE_NUMBER = /^-\.?[0-9]/

/** The options and operands of a command. @throws {UsageError} */
export function parseArguments({ options = {} }: CliCommand, args: readonly string[]) {
  const known = { ...options, help: { type: 'boolean', short: 'h' } } as const
  const joined = joinNegativeNumbers(args, known)
  try {
    return parseArgs({ args: joined, options: known, allowPositionals: true })
  } catch (err) {
    throw new UsageError((err as Error).message)
  }
}

/** No option is named like a negative number, so it is the value of the option before it; `parseArgs` takes it only after `=`. */
function joinNegativeNumbers(args: readonly string[], options: Options): string[] {
  const joined: string[] = []
  for (const arg of args) {
    const last = joined.at(-1)
    const isValue = last !== undefined && !joined.includes('--') && takesValue(last, options)
    if (isValue) refuseOption(last, arg)
    if (isValue && NEGATIVE_NUMBER.test(arg)) joined[joined.length - 1] = `${last}=${arg}`
    else joined.push(arg)
  }
  return joined
}

function takesValue(arg: string, options: Options): boolean {
  return arg.startsWith('--') && options[arg.slice(2)]?.type === 'string'
}

/** `parseArgs` would refuse it with three lines. */
function refuseOption(name: string, given: string): void {
  if (given === '-' || !given.startsWith('-') || NEGATIVE_NUMBER.test(given)) return
  throw new UsageError(
    `${name} must have a value (got ${JSON.stringify(given)}); write a value that begins with "-" as ${name}=${given}`,
  )
}
