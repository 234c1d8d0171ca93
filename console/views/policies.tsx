import { call } from '../api/call.ts'
import type { PolicyPage, StoredPolicy } from '../api/types.ts'
import { ForeignText } from '../parts/foreign-text.tsx'
import { LimitList } from '../parts/limit-list.tsx'
import { Empty, WhenLoaded } from '../parts/states.tsx'
import { usePages } from '../parts/use-pages.ts'
import { linkTo } from '../router.ts'
import { formatTime } from '../text/format.ts'

const PER_PAGE = 50

/** The stored policies, by the beginning of their config keys. */
export function PoliciesView({ prefix }: { prefix: string }) {
  const policies = usePages(prefix, async (cursor, signal) => {
    const query = { prefix: prefix === '' ? undefined : prefix, limit: PER_PAGE, cursor }
    const { body } = await call<PolicyPage>('config', { query, signal })
    return { items: body.items, next: body.nextCursor }
  })
  return (
    <>
      <h1 tabIndex={-1}>Policies</h1>
      <PolicyForms prefix={prefix} />
      <section aria-label="Stored policies">
        <WhenLoaded from={policies} height="24rem">
          {({ items, hasMore }) => (
            <>
              {items.length === 0 ? <NoPolicies prefix={prefix} /> : <PolicyTable items={items} />}
              {hasMore && (
                <button type="button" disabled={policies.isLoadingMore} onClick={policies.loadMore}>
                  More policies
                </button>
              )}
            </>
          )}
        </WhenLoaded>
      </section>
    </>
  )
}

function PolicyForms({ prefix }: { prefix: string }) {
  const go = (view: 'policies' | 'policy', name: string) => (event: SubmitEvent) => {
    event.preventDefault()
    const text = String(new FormData(event.currentTarget as HTMLFormElement).get(name) ?? '')
    if (view === 'policies' || text !== '') location.hash = linkTo(view, { [name]: text })
  }
  return (
    <div class="choices">
      <search>
        <form class="choices" onSubmit={go('policies', 'prefix')}>
          <label>
            Config key begins with
            <input name="prefix" type="search" defaultValue={prefix} autocapitalize="off" spellcheck={false} />
          </label>
          <button type="submit">Search</button>
        </form>
      </search>
      <form class="choices" onSubmit={go('policy', 'key')}>
        <label>
          Open or create
          <input name="key" placeholder="user:*" required autocapitalize="off" spellcheck={false} />
        </label>
        <button type="submit">Open</button>
      </form>
    </div>
  )
}

function NoPolicies({ prefix }: { prefix: string }) {
  if (prefix === '') return <Empty>No policy is stored: the built-in policy of the settings decides every check.</Empty>
  return (
    <Empty>
      No stored config key begins with <ForeignText text={prefix} />.
    </Empty>
  )
}

function PolicyTable({ items }: { items: readonly StoredPolicy[] }) {
  return (
    <table class="stacked">
      <thead>
        <tr>
          <th scope="col">Config key</th>
          <th scope="col">Limits</th>
          <th scope="col">Mode</th>
          <th scope="col">Changed</th>
        </tr>
      </thead>
      <tbody>
        {items.map(({ key, limits = [], mode, updatedAt, updatedBy, version, expiresAt }) => (
          <tr key={key}>
            <th scope="row">
              <a href={linkTo('policy', { key })}>
                <ForeignText text={key} />
              </a>
            </th>
            <td data-name="Limits">
              <LimitList limits={limits} />
            </td>
            <td data-name="Mode">
              {mode} {expiresAt && <span class="tag">until {formatTime(expiresAt)}</span>}
            </td>
            <td data-name="Changed">
              {formatTime(updatedAt)} by <ForeignText text={updatedBy} /> <span class="tag">version {version}</span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
