import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'
import type { CallFailure } from '../api/call.ts'
import { ChangeFailure } from './states.tsx'

interface ConfirmationProps {
  readonly title: string
  /** What the button does, as a verb. */
  readonly action: string
  readonly isRunning: boolean
  readonly failure: CallFailure | undefined
  readonly children: ComponentChildren
  onConfirm(): void
  onClose(): void
}

/** Asks before something is done. Escape closes it; the focus returns to where it was. */
export function Confirmation({ title, action, isRunning, failure, children, onConfirm, onClose }: ConfirmationProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const heading = useId()
  useEffect(() => dialog.current?.showModal(), [])
  const submit = (event: Event) => {
    event.preventDefault()
    onConfirm()
  }
  return (
    <dialog ref={dialog} aria-labelledby={heading} onClose={onClose}>
      <form onSubmit={submit}>
        <h2 id={heading}>{title}</h2>
        {children}
        {failure && <ChangeFailure failure={failure} />}
        <div class="actions">
          <button type="submit" class="primary" disabled={isRunning}>
            {action}
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
        </div>
      </form>
    </dialog>
  )
}
