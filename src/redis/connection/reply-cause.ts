/** An error of EXEC as ioredis reports it, with those of the transaction's other commands. */
interface TransactionError extends Error {
  readonly previousErrors?: readonly Error[]
}

/** How Redis says why it refuses EXEC itself. */
const CAUSE_OF_ABORT = /^EXECABORT Transaction discarded because of: (.*)/s

/** What Redis 6.2 puts before the reply to a command of a script: often several places in the script. */
const CAUSE_IN_SCRIPT = /^(?:ERR )?(?:Error running script \(call to \w+\): )?(?:@?user_script: ?\d+: )+-?(.*)/s

/**
 * The reply to the command that failed, if it is that of a transaction or a script: `EXECABORT` alone does not tell why. Any other error
 * is its own cause.
 */
export function replyCause(err: Error): Error {
  const { name, message, previousErrors = [] } = err as TransactionError
  const [, cause] = CAUSE_OF_ABORT.exec(message) ?? CAUSE_IN_SCRIPT.exec(message) ?? []
  return previousErrors[0] ?? (cause === undefined ? err : Object.assign(new Error(cause), { name }))
}
