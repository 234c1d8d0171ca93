import type { Limit } from '../api/types.ts'
import { limitText } from '../text/policy-text.ts'

/** Limits in words, shadow limits after those that are enforced. */
export function LimitList({ limits }: { limits: readonly Limit[] }) {
  if (limits.length === 0) return <span class="hint">none</span>
  const shadowLast = [...limits].sort((a, b) => Number(a.shadow ?? false) - Number(b.shadow ?? false))
  return (
    <ul class="plain">
      {shadowLast.map(limit => (
        <li key={limit.name}>
          <code>{limit.name}</code> {limitText(limit)}
          {limit.shadow && <span class="tag">shadow</span>}
        </li>
      ))}
    </ul>
  )
}
