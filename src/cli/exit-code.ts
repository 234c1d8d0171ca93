/** What a command of `throttler` ends with, as diff and grep do; scripts may rely on it. */
export const ExitCode = {
  /** Done, or nothing was found. */
  ok: 0,
  /** The answer is no: differences, invalid policies, a change that was rejected. */
  found: 1,
  /** It could not be done: wrong arguments or variables, a store that is away. */
  trouble: 2,
} as const
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]
