import { linkTo } from '../router.ts'
import { ForeignText } from './foreign-text.tsx'

/** Policies that are not stored, so there is nothing to open. */
const BUILT_IN: ReadonlyMap<string, string> = new Map([
  ['default', 'built-in default'],
  ['request', 'limit in the request'],
])

export function PolicyLink({ policy }: { policy: string }) {
  const builtIn = BUILT_IN.get(policy)
  if (builtIn !== undefined) return <span>{builtIn}</span>
  return (
    <a href={linkTo('policy', { key: policy })}>
      <ForeignText text={policy} />
    </a>
  )
}
