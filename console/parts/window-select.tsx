import { WINDOWS, type Window } from '../api/types.ts'

const TITLES: Readonly<Record<Window, string>> = {
  '1m': 'the last minute',
  '5m': 'the last 5 minutes',
  '15m': 'the last 15 minutes',
  '1h': 'the last hour',
  '6h': 'the last 6 hours',
  '24h': 'the last 24 hours',
}

export function WindowSelect({ window, onChange }: { window: Window; onChange: (window: Window) => void }) {
  return (
    <label>
      In
      <select value={window} onChange={event => onChange(event.currentTarget.value as Window)}>
        {WINDOWS.map(name => (
          <option key={name} value={name}>
            {TITLES[name]}
          </option>
        ))}
      </select>
    </label>
  )
}
