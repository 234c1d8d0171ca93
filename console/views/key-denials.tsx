import { useState } from 'preact/hooks'
import { call } from '../api/call.ts'
import type { Denial, DenialPage } from '../api/types.ts'
import { ForeignText } from '../parts/foreign-text.tsx'
import { PolicyLink } from '../parts/policy-link.tsx'
import { Empty, WhenLoaded } from '../parts/states.tsx'
import { usePages } from '../parts/use-pages.ts'
import { formatCount, formatDuration, formatTime, fromLocalInput } from '../text/format.ts'

const PER_PAGE = 25

/** Why the key was denied, and when. */
export function KeyDenials({ name }: { name: string }) {
  const [span, setSpan] = useState<{ from?: string | undefined; to?: string | undefined }>({})
  const query = { key: name, ...span, limit: PER_PAGE }
  const denials = usePages(JSON.stringify(query), async (cursor, signal) => {
    const { body } = await call<DenialPage>('denials', { query: { ...query, cursor }, signal })
    return { items: body.items, next: body.nextCursor }
  })
  return (
    <section aria-labelledby="denials">
      <div class="heading">
        <h2 id="denials">Denials</h2>
        <button type="button" onClick={denials.reload}>
          Refresh
        </button>
      </div>
      <div class="choices">
        <label>
          From
          <input
            type="datetime-local"
            onChange={event => setSpan({ ...span, from: fromLocalInput(event.currentTarget.value) })}
          />
        </label>
        <label>
          To
          <input
            type="datetime-local"
            onChange={event => setSpan({ ...span, to: fromLocalInput(event.currentTarget.value) })}
          />
        </label>
      </div>
      {denials.failure?.code === 'not-found' ? (
        <Empty>The setting LOG_KEYS is none, so the service keeps no denials.</Empty>
      ) : (
        <WhenLoaded from={denials} height="12rem">
          {({ items, hasMore }) => (
            <>
              {items.length === 0 ? (
                <Empty>
                  {hasMore ? 'None among the newest denials of all keys.' : 'No denial of this key was recorded.'}
                </Empty>
              ) : (
                <DenialTable items={items} />
              )}
              {hasMore && (
                <button type="button" disabled={denials.isLoadingMore} onClick={denials.loadMore}>
                  Older denials
                </button>
              )}
            </>
          )}
        </WhenLoaded>
      )}
    </section>
  )
}

function DenialTable({ items }: { items: readonly Denial[] }) {
  return (
    <table class="stacked">
      <caption>A sample: at most one denial of a key in a second, from each process.</caption>
      <thead>
        <tr>
          <th scope="col">Time</th>
          <th scope="col">Denied by</th>
          <th scope="col">Policy</th>
          <th scope="col" class="number">
            Tokens
          </th>
          <th scope="col" class="number">
            Left
          </th>
          <th scope="col">Allowed after</th>
          <th scope="col">Request</th>
        </tr>
      </thead>
      <tbody>
        {items.map(denial => (
          <DenialRow key={`${denial.at} ${denial.requestId}`} denial={denial} />
        ))}
      </tbody>
    </table>
  )
}

function DenialRow({ denial }: { denial: Denial }) {
  const { at, violated, policy, policyVersion, tokens, remaining, retryAfterMs, requestId } = denial
  return (
    <tr>
      <th scope="row">
        <time dateTime={at}>{formatTime(at)}</time>
      </th>
      <td data-name="Denied by">{violated.length === 0 ? 'mode block' : violated.join(', ')}</td>
      <td data-name="Policy">
        <PolicyLink policy={policy} /> {policyVersion > 0 && <span class="tag">version {policyVersion}</span>}
      </td>
      <td data-name="Tokens" class="number">
        {formatCount(tokens)}
      </td>
      <td data-name="Left" class="number">
        {remaining === null ? '–' : formatCount(remaining)}
      </td>
      <td data-name="Allowed after">{retryAfterMs === null ? 'never' : formatDuration(retryAfterMs)}</td>
      <td data-name="Request">{requestId === undefined ? '–' : <ForeignText text={requestId} />}</td>
    </tr>
  )
}
