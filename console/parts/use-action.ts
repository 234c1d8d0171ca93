import { useState } from 'preact/hooks'
import type { CallFailure } from '../api/call.ts'
import { asFailure } from './use-loaded.ts'

interface Action {
  readonly isRunning: boolean
  readonly failure: CallFailure | undefined
  run(): void
  forget(): void
}

/** Something that the operator starts. It runs once at a time. */
export function useAction(act: () => Promise<void>): Action {
  const [isRunning, setRunning] = useState(false)
  const [failure, setFailure] = useState<CallFailure>()
  const run = () => {
    if (isRunning) return
    setRunning(true)
    setFailure(undefined)
    act()
      .catch((err: unknown) => setFailure(asFailure(err)))
      .finally(() => setRunning(false))
  }
  return { isRunning, failure, run, forget: () => setFailure(undefined) }
}
