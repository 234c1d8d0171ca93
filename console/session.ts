/** Who reads the page, as the service wrote it into the page. */
export interface Session {
  /** The name of the token, or `anonymous`. */
  readonly operator: string
  /** Why this operator cannot change anything; undefined if changes are allowed. */
  readonly readOnly: string | undefined
}

export function readSession({ operator = 'anonymous', access }: DOMStringMap): Session {
  const readOnly = access === 'read' ? `The token “${operator}” may only read.` : undefined
  return { operator, readOnly }
}

export const session = readSession(document.body.dataset)
