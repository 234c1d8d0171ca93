import { isUtf8 } from 'node:buffer'
import { configKeyFault } from '../../domain/key.ts'

/** The config key of a stored name; `undefined` if the name cannot be one, so that this service did not write it. */
export function parseName(bytes: Buffer): string | undefined {
  return nameFault(bytes) === undefined ? bytes.toString() : undefined
}

/** Why a stored name cannot be a config key; `undefined` if it can. */
export function nameFault(bytes: Buffer): string | undefined {
  return isUtf8(bytes) ? configKeyFault(bytes.toString())?.detail : 'it is not valid UTF-8'
}

/** A name as logs and reports show it. If it cannot be a config key, bytes other than visible ASCII appear as `\xff`. */
export function shownName(bytes: Buffer): string {
  return parseName(bytes) ?? bytes.toString('latin1').replace(/[^ -~]/g, escaped)
}

function escaped(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
}
