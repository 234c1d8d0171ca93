import type { Limit } from '../api/types.ts'

const KINDS: Readonly<Record<string, string>> = {
  bucket: 'Token bucket',
  quota: 'Quota per period',
  concurrency: 'Reservations at once',
}
const PERIODS = ['minute', 'hour', 'day', 'week', 'month', 'year']

type Changes = { [member in keyof Limit]?: Limit[member] | undefined }

interface LimitFieldsProps {
  readonly limit: Limit
  onChange(limit: Limit): void
  onRemove(): void
}

/** The members of one limit. */
export function LimitFields({ limit, onChange, onRemove }: LimitFieldsProps) {
  const { name, kind = 'bucket', capacity, shadow = false } = limit
  const set = (changes: Changes) => onChange(withChanges(limit, changes))
  return (
    <fieldset>
      <legend>Limit {name}</legend>
      <div class="choices">
        <label>
          Name
          <input type="text" required value={name} onInput={event => set({ name: event.currentTarget.value })} />
        </label>
        <label>
          Kind
          <select value={kind} onChange={event => onChange(ofKind(event.currentTarget.value, limit))}>
            {Object.entries({ ...KINDS, [kind]: KINDS[kind] ?? kind }).map(([value, title]) => (
              <option key={value} value={value}>
                {title}
              </option>
            ))}
          </select>
        </label>
        <CountField title="Capacity" value={capacity} onChange={value => set({ capacity: value ?? 0 })} />
        {kind === 'bucket' && <BucketFields limit={limit} set={set} />}
        {kind === 'quota' && <QuotaFields limit={limit} set={set} />}
        <label class="switch">
          <input
            type="checkbox"
            checked={shadow}
            onChange={event => set({ shadow: event.currentTarget.checked || undefined })}
          />
          Shadow: count only
        </label>
        <button type="button" onClick={onRemove}>
          Remove limit
        </button>
      </div>
    </fieldset>
  )
}

interface KindFieldsProps {
  readonly limit: Limit
  set(changes: Changes): void
}

function BucketFields({ limit: { refillTokens, refillIntervalMs }, set }: KindFieldsProps) {
  return (
    <>
      <CountField title="Refill tokens" value={refillTokens} onChange={value => set({ refillTokens: value })} />
      <CountField title="Every … ms" value={refillIntervalMs} onChange={value => set({ refillIntervalMs: value })} />
    </>
  )
}

function QuotaFields({ limit: { period, timeZone, anchor }, set }: KindFieldsProps) {
  return (
    <>
      <label>
        Period
        <select value={period} onChange={event => set({ period: event.currentTarget.value })}>
          {PERIODS.map(name => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <label>
        Time zone
        <input
          type="text"
          placeholder="UTC"
          value={timeZone ?? ''}
          onInput={event => set({ timeZone: event.currentTarget.value || undefined })}
        />
      </label>
      <label>
        A period begins at
        <input
          type="datetime-local"
          value={anchor ?? ''}
          onInput={event => set({ anchor: event.currentTarget.value || undefined })}
        />
      </label>
    </>
  )
}

interface CountFieldProps {
  readonly title: string
  readonly value: number | undefined
  onChange(value: number | undefined): void
}

function CountField({ title, value, onChange }: CountFieldProps) {
  const read = (text: string) => onChange(text === '' ? undefined : Number(text))
  return (
    <label>
      {title}
      <input type="number" required min={1} value={value ?? ''} onInput={event => read(event.currentTarget.value)} />
    </label>
  )
}

/** What a limit that becomes one of this kind gets. */
const NEW_MEMBERS: Readonly<Record<string, Partial<Limit>>> = {
  bucket: { refillTokens: 10, refillIntervalMs: 1000 },
  quota: { kind: 'quota', period: 'day' },
  concurrency: { kind: 'concurrency' },
}

/** A limit of another kind keeps what all kinds have. */
function ofKind(kind: string, { name, capacity, shadow }: Limit): Limit {
  return { name, capacity, ...NEW_MEMBERS[kind], ...(shadow && { shadow }) }
}

function withChanges(limit: Limit, changes: Changes): Limit {
  const merged = Object.entries({ ...limit, ...changes }).filter(([, value]) => value !== undefined)
  return Object.fromEntries(merged) as unknown as Limit
}
