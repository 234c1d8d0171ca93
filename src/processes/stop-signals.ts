const SIGNALS = ['SIGTERM', 'SIGINT'] as const

export type StopSignal = (typeof SIGNALS)[number]

const exitImmediately = () => process.exit(0)
let onSignal: (signal: StopSignal) => void = exitImmediately
let isHandling = false

/** Installs handlers for SIGTERM and SIGINT. Until `onStopSignal` is called, they exit with 0 immediately. */
export function handleStopSignals(): void {
  if (isHandling) return
  isHandling = true
  // The listeners are never replaced: a signal that has already arrived would be lost with its listener.
  for (const signal of SIGNALS) process.on(signal, () => onSignal(signal))
}

export function onStopSignal(stop: (signal: StopSignal) => void): void {
  onSignal = stop
  handleStopSignals()
}

/** Exits immediately unless `onStopSignal` was called: then there is something to stop. */
export function exitIfStarting(): void {
  if (onSignal === exitImmediately) exitImmediately()
}
