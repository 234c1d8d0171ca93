import type { PolicyDefinition } from '../api/types.ts'
import { differencesOf } from '../text/policy-differences.ts'
import { ForeignText } from './foreign-text.tsx'

/** What differs between two policies. */
export function Differences({ from, to }: { from: PolicyDefinition | null; to: PolicyDefinition | null }) {
  const differences = differencesOf(from, to)
  if (differences.length === 0) return <p class="hint">No difference.</p>
  return (
    <dl class="differences">
      {differences.map(({ member, from: before, to: after }) => (
        <div key={member}>
          <dt>{member}</dt>
          {before !== undefined && (
            <dd>
              <del>
                <ForeignText text={before} isProse />
              </del>
            </dd>
          )}
          {after !== undefined && (
            <dd>
              <ins>
                <ForeignText text={after} isProse />
              </ins>
            </dd>
          )}
        </div>
      ))}
    </dl>
  )
}
