const SIGNALS = ['SIGTERM', 'SIGINT'] as const

export type StopSignal = (typeof SIGNALS)[number]

const exitAtOnce = () => process.exit(0)
let act: (signal: StopSignal) => void = exitAtOnce
let isHandling = false

/** From now on SIGTERM and SIGINT do what `onStopSignal` says; until it is called, the process exits at once with 0. */
export function handleStopSignals(): void {
  if (isHandling) return
  isHandling = true
  // The listeners stay: a signal that has arrived already would be lost with the listener that is removed.
  for (const signal of SIGNALS) process.on(signal, () => act(signal))
}

export function onStopSignal(stop: (signal: StopSignal) => void): void {
  act = stop
  handleStopSignals()
}

/** Exits at once, unless `onStopSignal` has been called: then there is something to stop. */
export function exitIfStarting(): void {
  if (act === exitAtOnce) exitAtOnce()
}
