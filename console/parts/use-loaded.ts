import { useCallback, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { CallFailure } from '../api/call.ts'

export interface Loaded<Value> {
  /** The last value; kept while a later load runs or fails. */
  readonly value: Value | undefined
  /** Why the last load failed. */
  readonly failure: CallFailure | undefined
  reload(): void
}

interface LoadOptions<Value> {
  /** Loads again this long after each load, in ms, while the page is visible. */
  readonly everyMs?: number
  /** Whether a value is the last one, so that it is not loaded again. */
  isFinal?(value: Value): boolean
}

/**
 * Loads a value, again whenever the name of the value changes. A value is never shown under another name.
 * @param name tells values apart
 */
export function useLoaded<Value>(
  name: string,
  load: (signal: AbortSignal) => Promise<Value>,
  { everyMs, isFinal }: LoadOptions<Value> = {},
): Loaded<Value> {
  const [state, setState] = useState<{ name?: string; value?: Value; failure?: CallFailure | undefined }>({})
  const [round, setRound] = useState(0)
  const latest = useRef(load)
  latest.current = load
  const ends = useRef(isFinal)
  ends.current = isFinal

  // Not `useEffect`, which would wait for the next frame before the call is sent.
  useLayoutEffect(() => {
    const aborted = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const again = () => {
      if (everyMs !== undefined && !aborted.signal.aborted) timer = setTimeout(poll, everyMs)
    }
    const poll = () => (document.hidden ? again() : run())
    const run = () => {
      latest
        .current(aborted.signal)
        .then(value => {
          setState({ name, value })
          if (ends.current?.(value) !== true) again()
        })
        .catch((err: unknown) => {
          if (aborted.signal.aborted) return
          setState(previous => ({ ...(previous.name === name && previous), name, failure: asFailure(err) }))
          again()
        })
    }
    run()
    return () => {
      aborted.abort()
      clearTimeout(timer)
    }
  }, [name, round, everyMs])

  const reload = useCallback(() => setRound(number => number + 1), [])
  const isCurrent = state.name === name
  return { value: isCurrent ? state.value : undefined, failure: isCurrent ? state.failure : undefined, reload }
}

export function asFailure(err: unknown): CallFailure {
  if (err instanceof CallFailure) return err
  return new CallFailure(0, { code: 'unexpected', title: err instanceof Error ? err.message : String(err) })
}
