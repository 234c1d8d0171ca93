/** Replies that say that Redis cannot do it now, rather than that it was asked for something wrong. */
const TRANSIENT_REPLIES =
  /^(LOADING|BUSY|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|NOREPLICAS|OOM|MISCONF|NOAUTH|NOSCRIPT)\b/

/** As ioredis, its parser and Node name what goes wrong with a connection; bugs and faults have names of their own. */
const CONNECTION_ERRORS = new Set([
  'Error',
  'AbortError',
  'InterruptError',
  'ParserError',
  'MaxRetriesPerRequestError',
  'ClusterAllFailedError',
])

/** Whether what failed may work the next time: a lost connection may, a wrong command or a bug of ours never will. */
export function isTransient(err: Error): boolean {
  return err.name === 'ReplyError' ? TRANSIENT_REPLIES.test(err.message) : CONNECTION_ERRORS.has(err.name)
}
