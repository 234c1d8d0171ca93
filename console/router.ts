/** Views are in the fragment of the address, which browsers do not send: no key that an operator looks at is in a log. */
export const VIEWS = ['overview', 'limited', 'key', 'policies', 'policy'] as const
export type View = (typeof VIEWS)[number]

export interface Place {
  readonly view: View
  readonly params: Readonly<Record<string, string>>
}

/** The place that a fragment such as `#/key?key=user%3A42` names; the overview, if it names none. */
export function placeOf(fragment: string): Place {
  const [path = '', search = ''] = fragment.replace(/^#\/?/, '').split(/\?(.*)/s)
  const view = VIEWS.find(name => name === path) ?? 'overview'
  return { view, params: Object.fromEntries(new URLSearchParams(search)) }
}

/** The address of a place. Empty parameters are left out. */
export function linkTo(view: View, params: Readonly<Record<string, string | undefined>> = {}): string {
  const given = Object.entries(params).filter((entry): entry is [string, string] => Boolean(entry[1]))
  const search = new URLSearchParams(given).toString()
  return `#/${view}${search === '' ? '' : `?${search}`}`
}
