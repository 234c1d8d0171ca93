import type { OnAnswer } from '../../src/check/answering.ts'
import { Problem } from '../../src/lib/errors.ts'

/** What a call answers. A problem rejects it. */
export function answerTo<Answer>(call: (onAnswer: OnAnswer<Answer>) => void): Promise<Answer> {
  return new Promise((resolve, reject) => {
    call(answer => (answer instanceof Problem ? reject(answer) : resolve(answer)))
  })
}

/** What the store replies to a call; `undefined` if it is unavailable. */
export function replyTo<Reply>(
  call: (onReply: (reply: Reply | undefined) => void) => void,
): Promise<Reply | undefined> {
  return new Promise(resolve => call(resolve))
}
