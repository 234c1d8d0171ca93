import { describe, expect, it } from '@jest/globals'
import { answering, type OnAnswer } from '../../../src/check/answering.ts'
import { Problem } from '../../../src/lib/errors.ts'

const answersOf = (step: (onAnswer: OnAnswer<number>) => void) => {
  const answers: (number | Problem)[] = []
  const onAnswer = (answer: number | Problem) => {
    answers.push(answer)
    if (answer === 0) throw new Error('a bug of the receiver')
  }
  answering(onAnswer, () => step(onAnswer))
  return answers
}

describe('a step towards an answer', () => {
  it('that throws a problem answers with it', () => {
    const problem = new Problem('overloaded', 'too many wait')
    expect(
      answersOf(() => {
        throw problem
      }),
    ).toEqual([problem])
  })

  it('that has a bug answers with an internal problem, which has the bug as its cause', () => {
    const bug = new TypeError('a bug')
    const answers = answersOf(() => {
      throw bug
    })
    expect(answers).toMatchObject([{ code: 'internal', cause: bug }])
  })

  it('whose answer is not received answers once more, with an internal problem', () => {
    expect(answersOf(onAnswer => onAnswer(0))).toMatchObject([0, { code: 'internal' }])
    expect(answersOf(onAnswer => onAnswer(1))).toEqual([1])
  })
})
