/** Exit codes of `throttler`, like those of diff and grep. Scripts may rely on them. */
export const ExitCode = {
  /** Done, or no difference was found. */
  ok: 0,
  /** A negative result: a denial, differences, invalid policies, no policy, a change that was rejected. */
  found: 1,
  /** The command could not run: invalid arguments or settings, or an unavailable store or service. */
  trouble: 2,
} as const
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]
