/** Why a policy is changed, for its history. */
export function ReasonField({ value, onChange }: { value: string; onChange: (reason: string) => void }) {
  return (
    <label class="field">
      Reason, for the history
      <input type="text" maxLength={500} value={value} onInput={event => onChange(event.currentTarget.value)} />
    </label>
  )
}
