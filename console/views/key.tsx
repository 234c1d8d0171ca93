import { useState } from 'preact/hooks'
import { call, segment } from '../api/call.ts'
import { readByKey } from '../api/read-by-key.ts'
import type { Bucket, LimitState } from '../api/types.ts'
import { announce } from '../parts/announcer.tsx'
import { Confirmation } from '../parts/dialog.tsx'
import { ForeignText } from '../parts/foreign-text.tsx'
import { LimitMeter } from '../parts/meter.tsx'
import { PolicyLink } from '../parts/policy-link.tsx'
import { Empty, ReadOnlyNote, WhenLoaded } from '../parts/states.tsx'
import { useAction } from '../parts/use-action.ts'
import { useLoaded } from '../parts/use-loaded.ts'
import { linkTo } from '../router.ts'
import { session } from '../session.ts'
import { heldText } from '../text/held-text.ts'
import { MODE_TEXTS, reasonText } from '../text/policy-text.ts'
import { KeyDenials } from './key-denials.tsx'
import { TryCheck } from './try-check.tsx'

const EVERY_MS = 1000

/** One key: its bucket, its policy, its denials. */
export function KeyView({ name }: { name: string }) {
  const bucket = useLoaded(
    name,
    async signal => (await readByKey<Bucket>({ collection: 'buckets', key: name }, { signal })).body,
    {
      everyMs: EVERY_MS,
    },
  )
  return (
    <>
      <h1 tabIndex={-1}>
        <span class="kind">Key</span> <ForeignText text={name} />
      </h1>
      <section aria-labelledby="bucket">
        <div class="heading">
          <h2 id="bucket">Bucket, live</h2>
          <Reset name={name} onReset={bucket.reload} />
        </div>
        <WhenLoaded from={bucket} height="9rem">
          {value => <BucketState bucket={value} />}
        </WhenLoaded>
      </section>
      <section aria-labelledby="policy">
        <h2 id="policy">Policy in force</h2>
        <WhenLoaded from={bucket} height="6rem">
          {value => <PolicyInForce name={name} bucket={value} />}
        </WhenLoaded>
      </section>
      <TryCheck name={name} onChecked={bucket.reload} />
      <KeyDenials name={name} />
    </>
  )
}

function BucketState({ bucket }: { bucket: Bucket }) {
  const limits = limitsOf(bucket)
  return (
    <>
      <p class={bucket.allowed ? 'verdict good' : 'verdict bad'}>
        {bucket.allowed ? 'A check for one token would be allowed.' : 'A check for one token would be denied.'}
        {bucket.degraded && ' The bucket store is unavailable: this is the state of one process.'}
      </p>
      {limits.length === 0 ? (
        <Empty>There is no bucket: the mode of the policy decides alone.</Empty>
      ) : (
        <ul class="limits">
          {limits.map(limit => (
            <LimitMeter key={limit.name} {...limit} />
          ))}
        </ul>
      )}
      {bucket.held && <p class="hint">{heldText(bucket.held)}</p>}
    </>
  )
}

/** With a single limit, the decision itself has its values. */
function limitsOf({
  limits,
  limit,
  remaining,
  retryAfterMs,
  resetAfterMs,
  definition,
  source,
}: Bucket): readonly LimitState[] {
  if (limits !== undefined) return limits
  const [only] = definition.limits ?? []
  if (only === undefined || limit === null || remaining === null || resetAfterMs === null || source === 'policy')
    return []
  return [{ name: only.name, limit, remaining, retryAfterMs, resetAfterMs }]
}

function PolicyInForce({ name, bucket: { definition } }: { name: string; bucket: Bucket }) {
  const { policy, version, mode = 'enforce' } = definition
  return (
    <>
      <p class="lead">
        <PolicyLink policy={policy} />
        {version > 0 && <span class="tag">version {version}</span>}
        <span class="tag">{mode}</span>
      </p>
      <p>
        {reasonText(policy, name)} {MODE_TEXTS[mode]}
      </p>
      {policy !== name && !name.endsWith('*') && (
        <p>
          <a href={linkTo('policy', { key: name })}>Give this key a policy of its own</a>
        </p>
      )}
    </>
  )
}

function Reset({ name, onReset }: { name: string; onReset: () => void }) {
  const [isAsking, setAsking] = useState(false)
  const action = useAction(async () => {
    await readByKey<Bucket>({ collection: 'buckets', key: name }, { query: { tokens: 0 } })
    await call(`buckets/${segment(name)}`, { method: 'DELETE' })
    setAsking(false)
    announce('The bucket is full again.')
    onReset()
  })
  const open = () => {
    action.forget()
    setAsking(true)
  }
  return (
    <div class="control">
      <button type="button" disabled={session.readOnly !== undefined} aria-describedby="reset-note" onClick={open}>
        Reset…
      </button>
      <ReadOnlyNote id="reset-note" />
      {isAsking && (
        <Confirmation
          title="Reset this bucket?"
          action="Reset"
          {...action}
          onConfirm={action.run}
          onClose={() => setAsking(false)}
        >
          <p>
            What <ForeignText text={name} /> has spent is forgotten, of every limit. The bucket is full at once. This
            cannot be undone.
          </p>
        </Confirmation>
      )}
    </div>
  )
}
