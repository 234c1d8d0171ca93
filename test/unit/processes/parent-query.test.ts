import { describe, expect, it } from '@jest/globals'
import { Problem } from '../../../src/lib/errors.ts'
import type { FromChild, ToChild } from '../../../src/processes/messages.ts'
import type { ParentLink } from '../../../src/processes/parent-link.ts'
import { ParentQuery } from '../../../src/processes/parent-query.ts'

function givenQuery(answer: (question: FromChild, reply: (message: ToChild) => void) => void, timeoutMs: number) {
  let reply: (message: ToChild) => void = () => undefined
  const parent = {
    send: (question: FromChild) => answer(question, message => reply(message)),
    onMessage: (listener: typeof reply) => {
      reply = listener
    },
  } as unknown as ParentLink
  return new ParentQuery(parent, {
    question: 'scrape',
    answerIn: message =>
      message.type === 'scraped' ? { id: message.id, value: message.text, isLast: message.isLast ?? true } : undefined,
    timeoutMs,
  })
}

describe('a question to the parent process', () => {
  it('resolves with the answer', async () => {
    const query = givenQuery((question, reply) => {
      if (question.type === 'scrape') reply({ type: 'scraped', id: question.id, text: 'up 1' })
    }, 60_000)
    expect(await query.ask()).toEqual(['up 1'])
  })

  it('resolves with all values of an answer in several messages', async () => {
    const query = givenQuery((question, reply) => {
      if (question.type !== 'scrape') return
      for (const text of ['up 1', 'up 2', 'up 3']) {
        reply({ type: 'scraped', id: question.id, text, isLast: text === 'up 3' })
        reply({ type: 'scraped', id: question.id + 1, text: 'of another question', isLast: true })
      }
    }, 60_000)
    expect(await query.ask()).toEqual(['up 1', 'up 2', 'up 3'])
  })

  it('is answered with overloaded, not as a bug, if the parent does not answer in time', async () => {
    const query = givenQuery(() => undefined, 10)
    const problem = await query.ask().catch(err => err)
    expect(problem).toBeInstanceOf(Problem)
    expect(problem).toMatchObject({ code: 'overloaded', status: 503, detail: expect.stringContaining('"scrape"') })
  })
})
