import { useEffect } from 'preact/hooks'

/** The service's clock may be behind, or its answer late, so the next try follows after this time, in ms. */
const RETRY_MS = 1_000

/** Longer times overflow in `setTimeout`, in ms. */
const MAX_MS = 2 ** 31 - 1

/** Calls back at a time, and again each second for as long as the view is rendered with it. */
export function useTimerAt(time: string | undefined, callback: () => void): void {
  useEffect(() => {
    if (time === undefined) return
    const timer = setTimeout(callback, Math.min(Math.max(Date.parse(time) - Date.now(), RETRY_MS), MAX_MS))
    return () => clearTimeout(timer)
  })
}
