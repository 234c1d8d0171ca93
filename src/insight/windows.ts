import { COARSE_GRAIN, FINE_GRAIN, type Grain } from './ports.ts'

export const WINDOWS = ['1m', '5m', '15m', '1h', '6h', '24h'] as const
/** The spans of time, up to now, that counts can be asked for. */
export type Window = (typeof WINDOWS)[number]

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

export const WINDOW_MS: Readonly<Record<Window, number>> = {
  '1m': MINUTE_MS,
  '5m': 5 * MINUTE_MS,
  '15m': 15 * MINUTE_MS,
  '1h': HOUR_MS,
  '6h': 6 * HOUR_MS,
  '24h': 24 * HOUR_MS,
}

export interface Steps {
  /** A multiple of the grain, and a divisor of the window. */
  readonly stepMs: number
  readonly grain: Grain
}

/** The steps of a series over each window: as many as a plot can show. */
export const WINDOW_STEPS: Readonly<Record<Window, Steps>> = {
  '1m': { stepMs: 5_000, grain: FINE_GRAIN },
  '5m': { stepMs: 5_000, grain: FINE_GRAIN },
  '15m': { stepMs: 15_000, grain: FINE_GRAIN },
  '1h': { stepMs: MINUTE_MS, grain: COARSE_GRAIN },
  '6h': { stepMs: 5 * MINUTE_MS, grain: COARSE_GRAIN },
  '24h': { stepMs: 15 * MINUTE_MS, grain: COARSE_GRAIN },
}
