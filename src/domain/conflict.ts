/** Preconditions on the policy of a key, compared with what the key has. */
import type { Conditions, PolicyTag } from './commands.ts'
import type { StoredPolicy } from './temporary-policy.ts'

/** What the key has at the moment of the change. */
interface Present {
  readonly version: number
  readonly policy: StoredPolicy | null
  /** The temporary policy of this version has ended. */
  readonly isEnded: boolean
  /** The version only records that the one before it has ended. */
  readonly isRecordedEnd?: true
}

/** Why the conditions do not hold; `undefined` if they do. */
export function conflictWith(present: Present, { ifMatch, ifNoneMatch }: Conditions): string | undefined {
  const { policy, version, isEnded } = present
  const at = `the policy is at version ${version}${isEnded ? ', which has ended' : ''}`
  const found = policy === null ? 'the key has no policy' : at
  if (ifNoneMatch !== undefined && policy !== null) return `${found}; If-None-Match: * asks for none`
  if (ifMatch === undefined) return undefined
  if (policy === null) return `${found}; If-Match asks for one`
  if (ifMatch === '*' || tagsOf(present).some(tag => ifMatch.includes(tag))) return undefined
  return `${found}; If-Match asks for ${asText(ifMatch)}`
}

function asText(tags: readonly PolicyTag[]): string {
  return tags.length === 0 ? 'versions that no policy has' : tags.map(tag => `"${tag}"`).join(', ')
}

/** A version that only records an end also has the tag that its policy had until then. */
function tagsOf({ version, isEnded, isRecordedEnd }: Present): readonly PolicyTag[] {
  if (isEnded) return [`${version}-ended`]
  return isRecordedEnd ? [version, `${version - 1}-ended`] : [version]
}
