const MAX_REASON_CHARACTERS = 500

/** What is wrong with the reason of a change, and what is allowed; `undefined` if it is valid. */
export function reasonProblem(reason: string): string | undefined {
  const { length } = [...reason]
  if (length <= MAX_REASON_CHARACTERS) return undefined
  return `has ${length} characters; at most ${MAX_REASON_CHARACTERS} are allowed`
}
