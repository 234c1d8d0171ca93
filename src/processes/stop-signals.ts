const SIGNALS = ['SIGTERM', 'SIGINT'] as const

const exitAtOnce = () => process.exit(0)
let act: () => void = exitAtOnce
let isHandling = false

/** From now on SIGTERM and SIGINT do what `onStopSignal` says; until it is called, the process exits at once with 0. */
export function handleStopSignals(): void {
  if (isHandling) return
  isHandling = true
  // The listeners stay: a signal that has arrived already would be lost with the listener that is removed.
  for (const signal of SIGNALS) process.on(signal, () => act())
}

export function onStopSignal(stop: () => void): void {
  act = stop
  handleStopSignals()
}

/** Exits at once, unless `onStopSignal` has been called: then there is something to stop. */
export function exitIfStarting(): void {
  if (act === exitAtOnce) exitAtOnce()
}
