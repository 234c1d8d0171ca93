import { expect, it } from '@jest/globals'
import type { Command } from '../../../../src/check/resp/command.ts'
import { commandList } from '../../../../src/check/resp/commands/command-list.ts'
import type { Protocol } from '../../../../src/check/resp/replies.ts'
import { Session } from '../../../../src/check/resp/session.ts'
import { Words } from '../../../../src/check/resp/words.ts'

const CHECK: Command = { name: 'check', arity: -2, hasKey: true, run: () => '' }
const LOGIN: Command = { name: 'login', arity: 2, isOpen: true, run: () => '' }

/** The reply to `COMMAND` if this is the only command, with a space for each end of a line. */
function replyWith(command: Command, protocol: Protocol): string {
  const words = new Words()
  words.begin(Buffer.from('COMMAND'))
  words.add(0, 'COMMAND'.length)
  const session = new Session(undefined)
  session.protocol = protocol
  return String(commandList(() => [command]).run(words, session)).replaceAll('\r\n', ' ')
}

// The forms are those of Redis 7.0.15 for INCR and AUTH.

it('describes a command with a key in the ten fields of Redis 7, over RESP2', () => {
  expect(replyWith(CHECK, 2)).toBe(
    '*1 *10 $5 check :-2 *2 +write +fast :1 :1 :1 *2 +@write +@fast *0 ' +
      '*1 *6 $5 flags *3 +RW +access +update $12 begin_search *4 $4 type $5 index $4 spec *2 $5 index :1 ' +
      '$9 find_keys *4 $4 type $5 range $4 spec *6 $7 lastkey :0 $7 keystep :1 $5 limit :0 *0 ',
  )
})

it('describes it with maps and sets over RESP3', () => {
  expect(replyWith(CHECK, 3)).toBe(
    '*1 *10 $5 check :-2 ~2 +write +fast :1 :1 :1 ~2 +@write +@fast ~0 ' +
      '~1 %3 $5 flags ~3 +RW +access +update $12 begin_search %2 $4 type $5 index $4 spec %1 $5 index :1 ' +
      '$9 find_keys %2 $4 type $5 range $4 spec %3 $7 lastkey :0 $7 keystep :1 $5 limit :0 ~0 ',
  )
})

it.each([
  [2, '*1 *10 $5 login :2 *2 +fast +no_auth :0 :0 :0 *2 +@connection +@fast *0 *0 *0 '],
  [3, '*1 *10 $5 login :2 ~2 +fast +no_auth :0 :0 :0 ~2 +@connection +@fast ~0 ~0 ~0 '],
] as const)('describes a command without a key, over RESP%i', (protocol, reply) => {
  expect(replyWith(LOGIN, protocol)).toBe(reply)
})
