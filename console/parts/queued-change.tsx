import { useEffect } from 'preact/hooks'
import { commandStatus } from '../api/changes.ts'
import type { CommandStatus } from '../api/types.ts'
import { Failure } from './states.tsx'
import { useLoaded } from './use-loaded.ts'

const POLL_MS = 1000

/** `undefined` is what the service no longer knows. */
type Outcome = CommandStatus | undefined

interface QueuedChangeProps {
  readonly id: string
  /** Its outcome is known. */
  onEnded(): void
}

/** Follows a change whose outcome was not known in time, until it is. */
export function QueuedChange({ id, onEnded }: QueuedChangeProps) {
  const { value, failure } = useLoaded(
    id,
    async (signal): Promise<{ outcome: Outcome }> => ({ outcome: await commandStatus(id, signal) }),
    { everyMs: POLL_MS, isFinal: ({ outcome }) => isEnded(outcome) },
  )
  const hasEnded = value !== undefined && isEnded(value.outcome)
  useEffect(() => {
    if (hasEnded) onEnded()
  }, [hasEnded])
  return (
    <div role="status" class={`note ${hasEnded ? toneOf(value.outcome) : ''}`}>
      {hasEnded ? textOf(value.outcome) : 'The change is queued. Its outcome appears here.'}
      {!hasEnded && failure && <Failure failure={failure} />}
    </div>
  )
}

function isEnded(outcome: Outcome): boolean {
  return outcome?.status !== 'queued'
}

function toneOf(outcome: Outcome): string {
  if (outcome === undefined) return ''
  return outcome.status === 'applied' ? 'good' : 'bad'
}

function textOf(outcome: Outcome): string {
  if (outcome === undefined) return 'The service no longer keeps the outcome of the change. See the history.'
  const { status, version, error } = outcome
  if (status === 'applied') return `The change is in force${version === undefined ? '' : `, as version ${version}`}.`
  return `The change was not made (${status}): ${error?.detail ?? error?.title ?? 'the service does not say why'}`
}
