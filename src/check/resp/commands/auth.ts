import type { Command } from '../command.ts'
import { LOGIN_WORK, type Logins } from '../logins.ts'
import { SYNTAX_ERROR } from '../redis-errors.ts'
import { OK } from '../replies.ts'

/** `AUTH token` or `AUTH name token`. As in HTTP Basic, the token alone decides. */
export function auth(logins: Logins): Command {
  return {
    name: 'auth',
    arity: -2,
    isOpen: true,
    work: LOGIN_WORK,
    run: (words, session) => {
      if (words.count > 3) return SYNTAX_ERROR
      return logins.logIn(session, words.text(words.count - 1)) ?? OK
    },
  }
}
