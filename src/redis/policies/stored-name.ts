import { isUtf8 } from 'node:buffer'
import { configKeyFault } from '../../domain/key.ts'

/** The config key of a stored name; `undefined` if the name cannot be one, so that this service did not write it. */
export function parseName(bytes: Buffer): string | undefined {
  if (!isUtf8(bytes)) return undefined
  const name = bytes.toString()
  return configKeyFault(name) === undefined ? name : undefined
}

/** A name as logs and reports show it. If it cannot be a config key, bytes other than visible ASCII appear as `\xff`. */
export function shownName(bytes: Buffer): string {
  return parseName(bytes) ?? bytes.toString('latin1').replace(/[^ -~]/g, escaped)
}

function escaped(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
}
