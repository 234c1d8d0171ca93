import { configKeyFault, prefixOf } from '../../domain/key.ts'

const ALLOWED = 'a prefix of config keys such as "user:", or "*" for all of them'

/** `25` ends a percent sign, and a digit ends its first digit. */
const ENDS_OF_CHARACTER = ['', '25', ...'0123456789ABCDEF']
/** After a whole character: nothing, or the shortest rest of a key, of an entry, or of a domain and an entry. */
const ENDS_OF_KEY = ['', 'x', ';x', 'x;x']
const SHORTEST_ENDS = ENDS_OF_CHARACTER.flatMap(first => ENDS_OF_KEY.map(rest => first + rest))

/** Why an import cannot prune by this prefix; `undefined` if it can. The fault follows the name of the parameter. */
export function pruneFault(given: string): string | undefined {
  if (given === '') return `is empty; give ${ALLOWED}`
  const fault = configKeyFault(given)
  return fault && !beginsConfigKey(given) ? `must be ${ALLOWED}: ${fault.detail}` : undefined
}

/** Whether a valid config key begins with a text. Of descriptors, it may end anywhere: in the domain, or between two digits of a `%3B`. */
function beginsConfigKey(text: string): boolean {
  return SHORTEST_ENDS.some(end => configKeyFault(text + end) === undefined)
}

/** The prefix of the config keys that an import prunes: `user:` for `user:` and `user:*`, the empty one for `*`. */
export function prunePrefix(given: string): string {
  return prefixOf(given) ?? given
}
