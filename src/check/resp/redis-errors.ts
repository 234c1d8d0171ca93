/** Errors with the texts of Redis, which clients recognize. */
import type { Command } from './command.ts'
import { binaryError, error } from './replies.ts'
import type { Words } from './words.ts'

/** Bytes of the arguments that an error repeats, and of the name. */
const MAX_REPEATED = 128

export const NOAUTH = error('NOAUTH Authentication required.')
export const WRONGPASS = error('WRONGPASS invalid username-password pair or user is disabled.')
export const SYNTAX_ERROR = error('ERR syntax error')
export const NOT_AN_INTEGER = error('ERR value is not an integer or out of range')

export function wrongNumberOfArguments({ name }: Pick<Command, 'name'>): string {
  return error(`ERR wrong number of arguments for '${name}' command`)
}

export function unknownCommand(words: Words): string {
  let repeated = ''
  for (let i = 1; i < words.count && repeated.length < MAX_REPEATED; i++) {
    repeated += `'${words.binary(i).slice(0, MAX_REPEATED - repeated.length)}' `
  }
  return binaryError(
    `ERR unknown command '${words.binary(0).slice(0, MAX_REPEATED)}', with args beginning with: ${repeated}`,
  )
}

export function unknownSubcommand(words: Words): string {
  const name = words.name(0).toUpperCase()
  return binaryError(`ERR unknown subcommand '${words.binary(1).slice(0, MAX_REPEATED)}'. Try ${name} HELP.`)
}
