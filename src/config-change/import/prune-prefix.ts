import { configKeyFault, prefixOf } from '../../domain/key.ts'

/** Why an import cannot prune by this prefix; `undefined` if it can. The fault follows the name of the parameter. */
export function pruneFault(given: string): string | undefined {
  if (given === '') return 'is empty; give a prefix of config keys such as "user:", or "*" for all of them'
  const fault = configKeyFault(`${prunePrefix(given)}*`)
  return fault && `must be a prefix of config keys such as "user:", or "*" for all of them: ${fault.detail}`
}

/** The prefix of the config keys that an import prunes: `user:` for `user:` and `user:*`, the empty one for `*`. */
export function prunePrefix(given: string): string {
  return prefixOf(given) ?? given
}
