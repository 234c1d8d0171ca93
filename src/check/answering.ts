import { Problem } from '../lib/errors.ts'

/** Receives the answer to a call, or the problem why there is none. */
export type OnAnswer<Answer> = (answer: Answer | Problem) => void

/**
 * Runs a step towards the answer to a call. What the step throws becomes the answer: a bug that keeps one call from its answer must not
 * take the others of its batch along.
 */
export function answering<Answer>(onAnswer: OnAnswer<Answer>, step: () => void): void {
  try {
    step()
  } catch (cause) {
    onAnswer(cause instanceof Problem ? cause : new Problem('internal', 'the call could not be answered', { cause }))
  }
}
