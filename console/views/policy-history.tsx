import { useMemo, useState } from 'preact/hooks'
import { newIdempotencyKey, queuedId, rollBack } from '../api/changes.ts'
import { readHistory } from '../api/history.ts'
import type { Seen } from '../api/policies.ts'
import type { PolicyEvent } from '../api/types.ts'
import { Confirmation } from '../parts/dialog.tsx'
import { Differences } from '../parts/differences.tsx'
import { ForeignText } from '../parts/foreign-text.tsx'
import { ReasonField } from '../parts/reason-field.tsx'
import { Empty, WhenLoaded } from '../parts/states.tsx'
import { useAction } from '../parts/use-action.ts'
import { usePages } from '../parts/use-pages.ts'
import { session } from '../session.ts'
import { formatTime } from '../text/format.ts'
import { definitionOf } from '../text/policy-text.ts'

interface PolicyHistoryProps {
  readonly name: string
  /** How often the policy was changed from this view. */
  readonly changes: number
  readonly seen: Seen | undefined
  onChanged(text: string, queuedId: string | undefined): void
  /** The operator gave up a rollback that failed. What is shown may no longer be true. */
  onFailed(): void
}

/** Every change of a policy, newest first: who, when, why and what. */
export function PolicyHistory({ name, changes, seen, onChanged, onFailed }: PolicyHistoryProps) {
  const history = usePages(`${name} ${changes}`, (before, signal) => readHistory(name, before, signal))
  const [restoring, setRestoring] = useState<PolicyEvent>()
  return (
    <section aria-labelledby="changes">
      <h2 id="changes">History</h2>
      <WhenLoaded from={history} height="12rem">
        {({ items, hasMore }) => (
          <>
            {items.length === 0 && <Empty>There never was a policy under this config key.</Empty>}
            <ol class="events">
              {items.map(({ event, before }, index) => (
                <HistoryEvent
                  key={event.version}
                  event={event}
                  before={before}
                  onRestore={index > 0 && event.policy !== null ? () => setRestoring(event) : undefined}
                />
              ))}
            </ol>
            {hasMore && (
              <button type="button" disabled={history.isLoadingMore} onClick={history.loadMore}>
                Earlier changes
              </button>
            )}
          </>
        )}
      </WhenLoaded>
      {restoring && seen && (
        <Rollback
          name={name}
          seen={seen}
          event={restoring}
          onChanged={onChanged}
          onFailed={onFailed}
          onClose={() => setRestoring(undefined)}
        />
      )}
    </section>
  )
}

interface HistoryEventProps {
  readonly event: PolicyEvent
  readonly before: PolicyEvent | undefined
  readonly onRestore: (() => void) | undefined
}

function HistoryEvent({ event: { version, type, at, actor, reason, policy }, before, onRestore }: HistoryEventProps) {
  return (
    <li>
      <div class="heading">
        <h3>
          Version {version} <span class="tag">{type}</span>
        </h3>
        {onRestore && (
          <button
            type="button"
            disabled={session.readOnly !== undefined}
            aria-describedby="change-note"
            onClick={onRestore}
          >
            Roll back to {version}…
          </button>
        )}
      </div>
      <p class="hint">
        <time dateTime={at}>{formatTime(at)}</time> by <ForeignText text={actor} />
      </p>
      {reason !== undefined && (
        <p>
          <ForeignText text={reason} isProse />
        </p>
      )}
      {policy === null ? (
        <p class="hint">The policy was deleted.</p>
      ) : (
        <Differences from={before?.policy ?? null} to={policy} />
      )}
    </li>
  )
}

interface RollbackProps {
  readonly name: string
  readonly seen: Seen
  readonly event: PolicyEvent
  onChanged(text: string, queuedId: string | undefined): void
  onFailed(): void
  onClose(): void
}

function Rollback({ name, seen, event, onChanged, onFailed, onClose }: RollbackProps) {
  const [reason, setReason] = useState('')
  const idempotencyKey = useMemo(newIdempotencyKey, [seen, event])
  const action = useAction(async () => {
    const reply = await rollBack({ key: name, seen: seen.etag, reason, idempotencyKey }, event.version)
    onClose()
    onChanged(`The policy is that of version ${event.version} again.`, queuedId(reply))
  })
  const now = seen.policy === undefined ? null : definitionOf({ ...seen.policy })
  return (
    <Confirmation
      title={`Roll back to version ${event.version}?`}
      action="Roll back"
      {...action}
      onConfirm={action.run}
      onClose={() => {
        onClose()
        if (action.failure) onFailed()
      }}
    >
      <p>A new version will be equal to version {event.version}. This changes:</p>
      <Differences from={now} to={event.policy} />
      <ReasonField value={reason} onChange={setReason} />
    </Confirmation>
  )
}
