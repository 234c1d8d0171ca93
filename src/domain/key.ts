import { descriptorPatternFault, isDescriptorKey } from './descriptors/descriptor-pattern.ts'
import { DEFAULT_POLICY } from './policy.ts'

/** Maximum length of a key, in bytes of UTF-8. */
export const MAX_KEY_BYTES = 256

const PRINTABLE_ASCII = /^[ -~]{1,256}$/
const RESERVED_CONFIG_KEYS = new Set(['export', 'import', DEFAULT_POLICY])

const RESERVED_HINT = 'use "*" to set the limit of every key; export, import and default are not config keys'

/** Why a key is invalid; `undefined` if it is valid. */
export function keyFault(key: string): string | undefined {
  if (key === '.' || key === '..') return `the key "${key}" is not allowed`
  if (PRINTABLE_ASCII.test(key)) return undefined
  const bytes = Buffer.byteLength(key)
  if (bytes === 0) return 'the key is empty; 1 to 256 bytes of UTF-8 are allowed'
  if (bytes > MAX_KEY_BYTES) return `the key has ${bytes} bytes; 1 to ${MAX_KEY_BYTES} bytes of UTF-8 are allowed`
  if (!key.isWellFormed()) return 'the key contains a lone surrogate, which is not valid Unicode'
  const control = controlCharacter(key)
  return control && `the key contains the control character ${control}; U+0000–001F and U+007F–009F are not allowed`
}

function controlCharacter(key: string): string | undefined {
  for (let i = 0; i < key.length; i++) {
    const unit = key.charCodeAt(i)
    if (unit < 0x20 || (unit >= 0x7f && unit <= 0x9f)) return `U+${unit.toString(16).toUpperCase().padStart(4, '0')}`
  }
  return undefined
}

export interface KeyFault {
  readonly code: 'key-invalid' | 'key-reserved'
  readonly detail: string
}

/** Why callers may not ask for a key; `undefined` if they may. Descriptors have a protocol of their own. */
export function callerKeyFault(key: string): KeyFault | undefined {
  const detail = keyFault(key)
  if (detail !== undefined) return { code: 'key-invalid', detail }
  if (!isDescriptorKey(key)) return undefined
  return {
    code: 'key-reserved',
    detail: `the key "${key}" is reserved: keys that begin with "rls;" are those of descriptors`,
  }
}

/** Why a config key (`user:42`, `user:*`, `*`) is invalid; `undefined` if it is valid. */
export function configKeyFault(configKey: string): KeyFault | undefined {
  if (RESERVED_CONFIG_KEYS.has(configKey)) {
    return { code: 'key-reserved', detail: `"${configKey}" is reserved; ${RESERVED_HINT}` }
  }
  const detail = keyFault(configKey) ?? patternFault(configKey)
  return detail === undefined ? undefined : { code: 'key-invalid', detail }
}

/** Policies for descriptors have patterns of their own. */
function patternFault(configKey: string): string | undefined {
  return isDescriptorKey(configKey) ? descriptorPatternFault(configKey) : starFault(configKey)
}

function starFault(configKey: string): string | undefined {
  const star = configKey.indexOf('*')
  if (star === -1 || star === configKey.length - 1) return undefined
  return `the key has a "*" at position ${star + 1}; "*" is allowed only at the end`
}

/** Why no policy can be named like this; `undefined` if one can. The built-in policy has a name too. */
export function policyNameFault(name: string): string | undefined {
  if (name === DEFAULT_POLICY) return undefined
  const fault = RESERVED_CONFIG_KEYS.has(name) ? `"${name}" is reserved` : (keyFault(name) ?? patternFault(name))
  return fault && `must be a config key or "${DEFAULT_POLICY}": ${fault}`
}

/** The prefix of a prefix policy's config key (`user:` for `user:*`), or `undefined` for an exact one and for descriptors. */
export function prefixOf(configKey: string): string | undefined {
  return configKey.endsWith('*') && !isDescriptorKey(configKey) ? configKey.slice(0, -1) : undefined
}
