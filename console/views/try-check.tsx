import { useId, useState } from 'preact/hooks'
import { call } from '../api/call.ts'
import { readByKey } from '../api/read-by-key.ts'
import type { Decision } from '../api/types.ts'
import { Failure, ReadOnlyNote } from '../parts/states.tsx'
import { useAction } from '../parts/use-action.ts'
import { session } from '../session.ts'
import { formatCount, formatDuration } from '../text/format.ts'

/** A denied check is a decision too. */
const DENIED = [429]

interface Trial {
  readonly tokens: number
  readonly isSpent: boolean
  readonly decision: Decision
}

/** Asks what a check would get, or makes one. */
export function TryCheck({ name, onChecked }: { name: string; onChecked: () => void }) {
  const [tokens, setTokens] = useState('1')
  const [policy, setPolicy] = useState('')
  const [trial, setTrial] = useState<Trial>()
  const hint = useId()
  const asked = { tokens: Number(tokens), ...(policy !== '' && { policy }) }
  const preview = useAction(async () => {
    setTrial(undefined)
    const { body } = await readByKey<Decision>({ collection: 'buckets', key: name }, { query: asked })
    setTrial({ tokens: asked.tokens, isSpent: false, decision: body })
  })
  const check = useAction(async () => {
    setTrial(undefined)
    const options = { method: 'POST', body: { key: name, ...asked }, accepts: DENIED }
    const { body } = await call<Decision>('check', options)
    setTrial({ tokens: asked.tokens, isSpent: true, decision: body })
    onChecked()
  })
  const act = (action: typeof check, other: typeof check) => () => {
    other.forget()
    action.run()
  }
  const submit = (event: Event) => {
    event.preventDefault()
    act(preview, check)()
  }
  const failure = preview.failure ?? check.failure
  return (
    <section aria-labelledby="try">
      <h2 id="try">Try a check</h2>
      <form class="choices" onSubmit={submit}>
        <label>
          Tokens
          <input
            type="number"
            required
            min={0}
            max={1_000_000_000}
            value={tokens}
            onInput={event => setTokens(event.currentTarget.value)}
          />
        </label>
        <label>
          Policy that the caller names
          <input
            type="text"
            placeholder="none"
            autocapitalize="off"
            spellcheck={false}
            value={policy}
            onInput={event => setPolicy(event.currentTarget.value)}
          />
        </label>
        <div class="actions">
          <button type="submit">Preview</button>
          <button
            type="button"
            disabled={session.readOnly !== undefined || !isCount(tokens)}
            aria-describedby={hint}
            onClick={act(check, preview)}
          >
            Check and spend {isCount(tokens) ? formatCount(asked.tokens) : ''}
          </button>
        </div>
      </form>
      <p class="hint">
        A preview spends nothing. A check counts, as if the caller had made it; with 0 tokens it only reads.
      </p>
      <ReadOnlyNote id={hint} />
      {failure && <Failure failure={failure} />}
      <div class="outcome" role="status">
        {trial && <TrialText {...trial} />}
      </div>
    </section>
  )
}

function isCount(text: string): boolean {
  return /^\d{1,10}$/.test(text)
}

function TrialText({ tokens, isSpent, decision }: Trial) {
  const { allowed, remaining, limit, retryAfterMs, source, 'violated-policies': violated = [], shadowed } = decision
  const would = isSpent ? 'is' : 'would be'
  const again =
    retryAfterMs === null ? ' Waiting does not help.' : ` The same check is allowed in ${formatDuration(retryAfterMs)}.`
  return (
    <p class={allowed ? 'verdict good' : 'verdict bad'}>
      <strong>
        A check for {formatCount(tokens)} {would} {allowed ? 'allowed' : 'denied'}.
      </strong>{' '}
      {remaining !== null && limit !== null && `${formatCount(remaining)} of ${formatCount(limit)} left.`}
      {violated.length > 0 && ` ${shadowed ? 'Would be denied by' : 'Denied by'} ${violated.join(', ')}.`}
      {!allowed && again} Decided by {source}.
    </p>
  )
}
