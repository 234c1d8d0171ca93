import type { LimitState } from '../api/types.ts'
import { formatCount, formatDuration } from '../text/format.ts'

/** Below this percentage, a meter is red. */
const LOW = 10

/** What is left of one limit. */
export function LimitMeter({ name, limit, remaining, retryAfterMs, resetAfterMs, shadow }: LimitState) {
  const share = limit === 0 ? 0 : (100 * remaining) / limit
  return (
    <li class={shadow ? 'limit shadow' : 'limit'}>
      <div class="limit-head">
        <span>
          <code>{name}</code>
          {shadow && <span class="tag">shadow</span>}
        </span>
        <span class="figures">
          <strong>{formatCount(remaining)}</strong> of {formatCount(limit)} left
        </span>
      </div>
      <meter
        min={0}
        low={LOW}
        high={LOW}
        optimum={100}
        max={100}
        value={share}
        aria-label={`${name}: ${formatCount(remaining)} of ${formatCount(limit)} left`}
      />
      <p class="hint">
        {resetAfterMs === 0 ? 'Full' : `Full in ${formatDuration(resetAfterMs)}`}
        {retryAfterMs === null || retryAfterMs === 0
          ? ''
          : `; ${shadow ? 'would allow' : 'allows'} this check in ${formatDuration(retryAfterMs)}`}
      </p>
    </li>
  )
}
