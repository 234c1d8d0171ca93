import { call } from '../api/call.ts'
import { type TopKeys, WINDOWS } from '../api/types.ts'
import { ForeignText } from '../parts/foreign-text.tsx'
import { PolicyLink } from '../parts/policy-link.tsx'
import { Empty, WhenLoaded } from '../parts/states.tsx'
import { useLoaded } from '../parts/use-loaded.ts'
import { WindowSelect } from '../parts/window-select.tsx'
import { linkTo } from '../router.ts'
import { formatCount, formatTime } from '../text/format.ts'

const EVERY_MS = 5000
const MAX_KEYS = 50

const MEASURES: Readonly<Record<string, string>> = {
  denied: 'Denied checks',
  shadowed: 'Shadowed checks',
  allowed: 'Allowed checks',
  tokens: 'Spent tokens',
}

/** Which keys are denied most, or use most. */
export function LimitedView({ params }: { params: Readonly<Record<string, string>> }) {
  const by = Object.hasOwn(MEASURES, params['by'] ?? '') ? String(params['by']) : 'denied'
  const window = WINDOWS.find(name => name === params['window']) ?? '15m'
  const query = { by, window, limit: MAX_KEYS }
  const top = useLoaded(`${by} ${window}`, async signal => (await call<TopKeys>('top', { query, signal })).body, {
    everyMs: EVERY_MS,
  })
  const choose = (choice: Record<string, string>) => {
    location.hash = linkTo('limited', { by, window, ...choice })
  }
  return (
    <>
      <h1 tabIndex={-1}>Who is limited</h1>
      <div class="choices">
        <label>
          Largest by
          <select value={by} onChange={event => choose({ by: event.currentTarget.value })}>
            {Object.entries(MEASURES).map(([name, title]) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </select>
        </label>
        <WindowSelect window={window} onChange={chosen => choose({ window: chosen })} />
      </div>
      <section aria-label={MEASURES[by]}>
        {top.failure?.code === 'not-found' ? (
          <Empty>The setting LOG_KEYS is none, so the service keeps nothing that names keys.</Empty>
        ) : (
          <WhenLoaded from={top} height="24rem">
            {value => <TopTable top={value} title={String(MEASURES[by])} />}
          </WhenLoaded>
        )}
      </section>
    </>
  )
}

function TopTable({ top: { from, to, items, maxError }, title }: { top: TopKeys; title: string }) {
  if (items.length === 0)
    return <Empty>Nothing was counted since {formatTime(from)}. Counts arrive every few seconds.</Empty>
  const largest = items[0]?.count ?? 0
  return (
    <table class="stacked">
      <caption>
        {title}, {formatTime(from)} to {formatTime(to)}.{' '}
        {maxError > 0 && `A true number is up to ${formatCount(maxError)} higher.`}
      </caption>
      <thead>
        <tr>
          <th scope="col">Key</th>
          <th scope="col">Policy</th>
          <th scope="col" class="number">
            {title}
          </th>
        </tr>
      </thead>
      <tbody>
        {items.map(({ key, policy, count }) => (
          <tr key={key}>
            <th scope="row">
              <a href={linkTo('key', { key })}>
                <ForeignText text={key} />
              </a>
            </th>
            <td data-name="Policy">
              <PolicyLink policy={policy} />
            </td>
            <td data-name={title} class="number measure">
              <span class="bar" style={{ width: `${(100 * count) / largest}%` }} aria-hidden="true" />
              {formatCount(count)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
