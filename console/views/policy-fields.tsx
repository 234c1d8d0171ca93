import { useState } from 'preact/hooks'
import type { Limit, PolicyDefinition } from '../api/types.ts'
import { fromLocalInput, toLocalInput } from '../text/format.ts'
import { LimitFields } from './limit-fields.tsx'

const MODES = ['enforce', 'shadow', 'off', 'block']
const STORE_FAILURE_MODES = ['local', 'allow', 'deny']
const MAX_LIMITS = 8

interface FieldsProps {
  readonly policy: PolicyDefinition
  onChange(policy: PolicyDefinition): void
}

/** The members of a policy: as a form, or as JSON, which can express all of them. */
export function PolicyFields(props: FieldsProps) {
  const [isJson, setJson] = useState(false)
  return (
    <>
      <label class="switch">
        <input type="checkbox" checked={isJson} onChange={event => setJson(event.currentTarget.checked)} />
        Edit as JSON
      </label>
      {isJson ? <JsonField {...props} /> : <FormFields {...props} />}
    </>
  )
}

function JsonField({ policy, onChange }: FieldsProps) {
  const [text, setText] = useState(() => JSON.stringify(policy, undefined, 2))
  const edit = (target: HTMLTextAreaElement) => {
    setText(target.value)
    const parsed = parseObject(target.value)
    target.setCustomValidity(parsed === undefined ? 'This is not a JSON object.' : '')
    if (parsed !== undefined) onChange(parsed)
  }
  return (
    <label class="field">
      The policy
      <textarea rows={16} spellcheck={false} value={text} onInput={event => edit(event.currentTarget)} />
    </label>
  )
}

function parseObject(text: string): PolicyDefinition | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

function FormFields({ policy, onChange }: FieldsProps) {
  const { limits = [], mode = 'enforce', onStoreFailure, overdraft, description, expiresAt } = policy
  const set = (changes: { [member in keyof PolicyDefinition]?: PolicyDefinition[member] | undefined }) =>
    onChange(withoutAbsent({ ...policy, ...changes }))
  const setLimits = (changed: readonly Limit[]) => set({ limits: changed.length === 0 ? undefined : changed })
  const end = (time: string | undefined) =>
    set(time === undefined ? { expiresAt: undefined, then: undefined } : { expiresAt: time })
  return (
    <>
      {limits.map((limit, index) => (
        <LimitFields
          // A name can be edited, so a limit has only its place.
          key={index}
          limit={limit}
          onChange={changed => setLimits(limits.with(index, changed))}
          onRemove={() => setLimits(limits.toSpliced(index, 1))}
        />
      ))}
      <button
        type="button"
        disabled={limits.length === MAX_LIMITS}
        onClick={() => setLimits([...limits, newLimit(limits)])}
      >
        Add limit
      </button>
      <div class="choices">
        <label>
          Mode
          <select value={mode} onChange={event => set({ mode: event.currentTarget.value })}>
            {MODES.map(name => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label>
          If the bucket store is unavailable
          <select
            value={onStoreFailure ?? ''}
            onChange={event => set({ onStoreFailure: event.currentTarget.value || undefined })}
          >
            <option value="">as the settings say</option>
            {STORE_FAILURE_MODES.map(name => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label>
          Ends (empty: never)
          <input
            type="datetime-local"
            value={toLocalInput(expiresAt)}
            onChange={event => end(fromLocalInput(event.currentTarget.value))}
          />
        </label>
      </div>
      <label class="switch">
        <input
          type="checkbox"
          checked={overdraft === true}
          onChange={event => set({ overdraft: event.currentTarget.checked || undefined })}
        />
        Overdraft: charge checks also if they are denied
      </label>
      <label class="field">
        Description
        <input
          type="text"
          maxLength={500}
          value={description ?? ''}
          onInput={event => set({ description: event.currentTarget.value || undefined })}
        />
      </label>
    </>
  )
}

function newLimit(limits: readonly Limit[]): Limit {
  return { name: `limit-${limits.length + 1}`, capacity: 100, refillTokens: 10, refillIntervalMs: 1000 }
}

function withoutAbsent(policy: object): PolicyDefinition {
  return Object.fromEntries(Object.entries(policy).filter(([, value]) => value !== undefined))
}
