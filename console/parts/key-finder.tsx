import { linkTo } from '../router.ts'

/** Leads to a key that the operator types or pastes. */
export function KeyFinder() {
  const find = (event: SubmitEvent) => {
    event.preventDefault()
    const key = String(new FormData(event.currentTarget as HTMLFormElement).get('key') ?? '')
    if (key !== '') location.hash = linkTo('key', { key })
  }
  return (
    <search>
      <form class="finder" onSubmit={find}>
        <label>
          <span class="unseen">Key</span>
          <input
            name="key"
            type="search"
            placeholder="user:42"
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
          />
        </label>
        <button type="submit">Find key</button>
      </form>
    </search>
  )
}
