/** Replies that say that Redis cannot do it now, rather than that it was asked for something wrong. */
const TRANSIENT_REPLIES =
  /^(LOADING|BUSY|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|OOM|MISCONF|NOAUTH|NOSCRIPT)\b/

const BUGS = new Set(['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError'])

/** Whether what failed may work the next time: a lost connection may, a wrong command or a bug of ours never will. */
export function isTransient(err: Error): boolean {
  return err.name === 'ReplyError' ? TRANSIENT_REPLIES.test(err.message) : !BUGS.has(err.name)
}
