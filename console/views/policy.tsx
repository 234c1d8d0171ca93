import { useMemo, useRef, useState } from 'preact/hooks'
import { deletePolicy, newIdempotencyKey, queuedId } from '../api/changes.ts'
import { readPolicy, type Seen } from '../api/policies.ts'
import type { StoredPolicy } from '../api/types.ts'
import { announce } from '../parts/announcer.tsx'
import { Confirmation } from '../parts/dialog.tsx'
import { ForeignText } from '../parts/foreign-text.tsx'
import { Fact, PolicyFacts } from '../parts/policy-facts.tsx'
import { QueuedChange } from '../parts/queued-change.tsx'
import { ReasonField } from '../parts/reason-field.tsx'
import { Empty, ReadOnlyNote, WhenLoaded } from '../parts/states.tsx'
import { useAction } from '../parts/use-action.ts'
import { useLoaded } from '../parts/use-loaded.ts'
import { useTimerAt } from '../parts/use-timer-at.ts'
import { session } from '../session.ts'
import { formatTime } from '../text/format.ts'
import { PolicyEditor } from './policy-editor.tsx'
import { PolicyHistory } from './policy-history.tsx'

/** One policy: what it says, its history, and its changes. */
export function PolicyView({ name }: { name: string }) {
  const [isEditing, setEditing] = useState(false)
  const [changes, setChanges] = useState(0)
  const [queued, setQueued] = useState<string>()
  const seen = useLoaded(`${name} ${changes}`, signal => readPolicy(name, signal))
  const heading = useRef<HTMLHeadingElement>(null)
  const close = () => {
    setEditing(false)
    heading.current?.focus()
  }
  const reload = () => setChanges(count => count + 1)
  // What is edited stays what the operator has seen.
  useTimerAt(isEditing ? undefined : seen.value?.policy?.expiresAt, reload)
  const changed = (text: string, id: string | undefined) => {
    setQueued(id)
    if (id === undefined) announce(text)
    close()
    reload()
  }
  return (
    <>
      <h1 ref={heading} tabIndex={-1}>
        <span class="kind">Policy</span> <ForeignText text={name} />
      </h1>
      {queued !== undefined && <QueuedChange key={queued} id={queued} onEnded={reload} />}
      <WhenLoaded from={seen} height="16rem">
        {value =>
          isEditing ? (
            <PolicyEditor name={name} seen={value} onChanged={changed} onClose={close} />
          ) : (
            <section aria-labelledby="stored">
              <Controls
                name={name}
                seen={value}
                onEdit={() => setEditing(true)}
                onChanged={changed}
                onFailed={reload}
              />
              {value.policy === undefined ? (
                <Empty>No policy is stored under this config key.</Empty>
              ) : (
                <PolicyFacts policy={value.policy}>
                  <Version {...value.policy} />
                </PolicyFacts>
              )}
            </section>
          )
        }
      </WhenLoaded>
      <PolicyHistory name={name} changes={changes} seen={seen.value} onChanged={changed} onFailed={reload} />
    </>
  )
}

function Version({ version, updatedAt, updatedBy }: StoredPolicy) {
  return (
    <Fact name={`Version ${version}`}>
      {formatTime(updatedAt)} by <ForeignText text={updatedBy} />
    </Fact>
  )
}

interface ControlsProps {
  readonly name: string
  readonly seen: Seen
  onEdit(): void
  onChanged(text: string, queuedId: string | undefined): void
  /** The operator gave up a change that failed. What is shown may no longer be true. */
  onFailed(): void
}

function Controls({ name, seen, onEdit, onChanged, onFailed }: ControlsProps) {
  const [isAsking, setAsking] = useState(false)
  const [reason, setReason] = useState('')
  const idempotencyKey = useMemo(newIdempotencyKey, [seen])
  const action = useAction(async () => {
    const reply = await deletePolicy({ key: name, seen: seen.etag, reason, idempotencyKey })
    setAsking(false)
    onChanged('The policy is deleted.', queuedId(reply))
  })
  const close = () => {
    setAsking(false)
    if (action.failure) onFailed()
  }
  const isDisabled = session.readOnly !== undefined
  return (
    <div class="control">
      <div class="heading">
        <h2 id="stored">Stored now</h2>
        <div class="actions">
          <button type="button" class="primary" disabled={isDisabled} aria-describedby="change-note" onClick={onEdit}>
            {seen.policy === undefined ? 'Create policy' : 'Edit'}
          </button>
          {seen.policy && (
            <button type="button" disabled={isDisabled} aria-describedby="change-note" onClick={() => setAsking(true)}>
              Delete…
            </button>
          )}
        </div>
      </div>
      <ReadOnlyNote id="change-note" />
      {isAsking && (
        <Confirmation title="Delete this policy?" action="Delete" {...action} onConfirm={action.run} onClose={close}>
          <p>
            Keys that <ForeignText text={name} /> matches get the next policy that matches them. The history stays, and
            a version can be restored from it.
          </p>
          <ReasonField value={reason} onChange={setReason} />
        </Confirmation>
      )}
    </div>
  )
}
