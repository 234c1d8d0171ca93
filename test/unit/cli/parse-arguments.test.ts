import { expect, it } from '@jest/globals'
import { type CliCommand, UsageError } from '../../../src/cli/command.ts'
import { parseArguments } from '../../../src/cli/parse-arguments.ts'

const COMMAND: CliCommand = {
  arguments: 'KEY [--tokens N] [--reason TEXT] [--json]',
  summary: 'does something',
  details: '',
  options: { tokens: { type: 'string' }, reason: { type: 'string' }, json: { type: 'boolean' } },
  run: async () => 0,
}

it.each([
  [['user:42', '--tokens', '-1', '--json'], { tokens: '-1', json: true }, ['user:42']],
  [['--tokens=-1', '--reason', '-.5 %'], { tokens: '-1', reason: '-.5 %' }, []],
  [['--reason', '-', '-h'], { reason: '-', help: true }, []],
  [['--reason=--json'], { reason: '--json' }, []],
  [['--', '--tokens', '-1'], {}, ['--tokens', '-1']],
])('of the arguments %j, the options are %j and the operands %j', (args, values, positionals) => {
  const parsed = parseArguments(COMMAND, args)
  expect([{ ...parsed.values }, parsed.positionals]).toEqual([values, positionals])
})

it.each([
  [
    ['--tokens', '--json'],
    '--tokens must have a value (got "--json"); write a value that begins with "-" as --tokens=--json',
  ],
  [['--reason', '-h'], '--reason must have a value (got "-h"); write a value that begins with "-" as --reason=-h'],
  [['--tokens'], "Option '--tokens <value>' argument missing"],
  [['--json=-1'], "Option '--json' does not take an argument"],
  [['--json', '-1'], expect.stringMatching(/^Unknown option '-1'[^\n]*$/)],
])('the arguments %j are refused in one line', (args, message) => {
  expect(() => parseArguments(COMMAND, args)).toThrow(UsageError)
  expect(() => parseArguments(COMMAND, args)).toThrow(expect.objectContaining({ message }))
})
