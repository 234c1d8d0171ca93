import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { CallFailure } from '../api/call.ts'
import { dryRun, newIdempotencyKey, putPolicy, queuedId } from '../api/changes.ts'
import { readPolicy, type Seen } from '../api/policies.ts'
import type { DryRun, PolicyDefinition } from '../api/types.ts'
import { Differences } from '../parts/differences.tsx'
import { ForeignText } from '../parts/foreign-text.tsx'
import { ReasonField } from '../parts/reason-field.tsx'
import { ChangeFailure, Failure } from '../parts/states.tsx'
import { useAction } from '../parts/use-action.ts'
import { formatCount } from '../text/format.ts'
import { definitionOf } from '../text/policy-text.ts'
import { PolicyFields } from './policy-fields.tsx'

const NEW_POLICY: PolicyDefinition = {
  limits: [{ name: 'default', capacity: 100, refillTokens: 10, refillIntervalMs: 1000 }],
  mode: 'enforce',
}

interface EditorProps {
  readonly name: string
  readonly seen: Seen
  onChanged(text: string, queuedId: string | undefined): void
  onClose(): void
}

/** Edits a policy in steps: a draft, a dry run that shows what would change, then the change. */
export function PolicyEditor({ name, seen, onChanged, onClose }: EditorProps) {
  const [base, setBase] = useState(seen)
  const [draft, setDraft] = useState<PolicyDefinition>(seen.policy ? definitionOf({ ...seen.policy }) : NEW_POLICY)
  const [reason, setReason] = useState('')
  const [preview, setPreview] = useState<DryRun>()
  const [theirs, setTheirs] = useState<Seen>()
  const idempotencyKey = useMemo(newIdempotencyKey, [base, draft])
  /** An attempt to apply a draft had an unknown outcome. */
  const isInDoubt = useRef(false)
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => heading.current?.focus(), [])
  const edit = (policy: PolicyDefinition) => {
    setDraft(policy)
    setPreview(undefined)
  }
  /** Shows what somebody else changed in the meantime, instead of a failure. */
  const orConflict = (err: { code?: string }) => {
    if (err.code !== 'version-conflict') throw err
    return readPolicy(name).then(current => {
      setPreview(undefined)
      setTheirs(current)
    })
  }
  const apply = useAction(() =>
    putPolicy({ key: name, seen: base.etag, reason, idempotencyKey }, draft)
      .then(reply => onChanged('The policy is changed, and in force.', queuedId(reply)))
      .catch((err: CallFailure) => {
        isInDoubt.current ||= err.isOutcomeUnknown
        return orConflict(err)
      }),
  )
  const trial = useAction(() => {
    apply.forget()
    return dryRun({ key: name, seen: base.etag }, draft).then(setPreview).catch(orConflict)
  })
  const resolve = (current: Seen, policy: PolicyDefinition) => {
    isInDoubt.current = false
    setBase(current)
    setTheirs(undefined)
    edit(policy)
  }
  const submit = (event: Event) => {
    event.preventDefault()
    if (preview === undefined) trial.run()
    else apply.run()
  }
  if (theirs !== undefined) {
    const conflict = { base, theirs, draft, isInDoubt: isInDoubt.current }
    return <Conflict {...conflict} onResolve={resolve} />
  }
  return (
    <form class="editor" onSubmit={submit}>
      <h2 ref={heading} tabIndex={-1}>
        {base.policy === undefined ? 'New policy' : `Edit version ${base.policy.version}`}
      </h2>
      <PolicyFields policy={draft} onChange={edit} />
      <ReasonField value={reason} onChange={setReason} />
      {trial.failure && <Failure failure={trial.failure} />}
      {apply.failure && <ChangeFailure failure={apply.failure} />}
      {preview && <Preview {...preview} />}
      <div class="actions">
        <button
          type="submit"
          class={preview ? undefined : 'primary'}
          disabled={trial.isRunning || preview !== undefined}
        >
          Dry run
        </button>
        <button
          type="submit"
          class={preview ? 'primary' : undefined}
          disabled={preview === undefined || apply.isRunning}
        >
          Apply
        </button>
        <button type="button" onClick={onClose}>
          Cancel
        </button>
      </div>
    </form>
  )
}

function Preview({ from, to, matches, warnings }: DryRun) {
  return (
    <div class="note" role="status">
      <h3>The dry run: nothing has changed yet</h3>
      <Differences from={from} to={to} />
      {matches > 0 && <p>{formatCount(matches)} stored policies inside this prefix still take precedence.</p>}
      {warnings.map(warning => (
        <p key={warning} class="warning">
          <strong>Warning:</strong> <ForeignText text={warning} isProse />
        </p>
      ))}
    </div>
  )
}

interface ConflictProps {
  readonly base: Seen
  readonly theirs: Seen
  readonly draft: PolicyDefinition
  /** An earlier attempt of this operator may have made the change. */
  readonly isInDoubt: boolean
  onResolve(current: Seen, policy: PolicyDefinition): void
}

/** The policy has changed since the operator opened it. */
function Conflict({ base, theirs, draft, isInDoubt, onResolve }: ConflictProps) {
  const definition = ({ policy }: Seen) => (policy === undefined ? null : definitionOf({ ...policy }))
  const now = definition(theirs)
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => heading.current?.focus(), [])
  return (
    <div class="note bad" role="alert">
      <h2 ref={heading} tabIndex={-1}>
        This policy has changed in the meantime
      </h2>
      <p>
        {theirs.policy === undefined ? (
          'It was deleted.'
        ) : (
          <>
            Version {theirs.policy.version} is by <ForeignText text={theirs.policy.updatedBy} />.
          </>
        )}{' '}
        {isInDoubt ? 'It may be your earlier attempt, whose outcome was unknown.' : 'Nothing of yours was applied.'}
      </p>
      <h3>Their change</h3>
      <Differences from={definition(base)} to={now} />
      <h3>What yours would change now</h3>
      <Differences from={now} to={draft} />
      <div class="actions">
        <button type="button" onClick={() => onResolve(theirs, draft)}>
          Keep my draft
        </button>
        <button type="button" onClick={() => onResolve(theirs, now ?? NEW_POLICY)}>
          Take theirs
        </button>
      </div>
    </div>
  )
}
