import type { ComponentChildren } from 'preact'
import type { CallFailure } from '../api/call.ts'
import { session } from '../session.ts'
import type { Loaded } from './use-loaded.ts'

export function Failure({ failure, onRetry }: { failure: CallFailure; onRetry?: () => void }) {
  return (
    <div class="note bad" role="alert">
      <p>
        <strong>{failure.message}</strong>
      </p>
      {failure.faults.length > 0 && (
        <ul>
          {failure.faults.map(({ path, message }) => (
            <li key={path}>
              <code>{path}</code> {message}
            </li>
          ))}
        </ul>
      )}
      {onRetry && (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  )
}

/** Why a change failed, and whether that is certain. */
export function ChangeFailure({ failure }: { failure: CallFailure }) {
  return (
    <>
      <Failure failure={failure} />
      {failure.isOutcomeUnknown && (
        <p class="hint">The change may have been accepted all the same. Try again: it is not made twice.</p>
      )}
    </>
  )
}

/** Nothing to show, and why. */
export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>
}

/** Why controls are disabled, for operators who may only read. */
export function ReadOnlyNote({ id }: { id: string }) {
  if (session.readOnly === undefined) return null
  return (
    <p class="hint" id={id}>
      {session.readOnly} Changes are disabled.
    </p>
  )
}

interface WhenLoadedProps<Value> {
  readonly from: Loaded<Value>
  /** The height of what will be shown, so that nothing moves once it is there. */
  readonly height?: string
  children(value: Value): ComponentChildren
}

/** What is loaded; above it, why it is out of date, if the last load failed. Before, a placeholder. */
export function WhenLoaded<Value>({
  from: { value, failure, reload },
  height = '8rem',
  children,
}: WhenLoadedProps<Value>) {
  if (value === undefined && failure === undefined) {
    return (
      <div class="placeholder" style={{ minHeight: height }} aria-busy="true">
        Loading…
      </div>
    )
  }
  return (
    <>
      {failure && <Failure failure={failure} onRetry={reload} />}
      {value !== undefined && <div class={failure ? 'loaded stale' : 'loaded'}>{children(value)}</div>}
    </>
  )
}
