/** An error of EXEC as ioredis reports it, with those of the transaction's other commands. */
interface TransactionError extends Error {
  readonly previousErrors?: readonly Error[]
}

/** How Redis says why it refuses EXEC itself. */
const NAMED_CAUSE = /^EXECABORT Transaction discarded because of: (.*)/s

/** Why a transaction was not executed: `EXECABORT` alone does not tell. Any other error is its own cause. */
export function causeOfAbort(err: Error): Error {
  const { name, message, previousErrors = [] } = err as TransactionError
  const [, named] = NAMED_CAUSE.exec(message) ?? []
  return previousErrors[0] ?? (named === undefined ? err : Object.assign(new Error(named), { name }))
}
