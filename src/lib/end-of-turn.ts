let actions: Array<() => void> = []

/** Acts at the end of this turn of the event loop, once all sockets that have data were read. Actions run in order, one right after another. */
export function atEndOfTurn(action: () => void): void {
  if (actions.push(action) === 1) setImmediate(runAll)
}

function runAll(): void {
  const due = actions
  actions = []
  for (const action of due) action()
}
