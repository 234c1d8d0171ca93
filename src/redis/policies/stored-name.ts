import { isUtf8 } from 'node:buffer'

/** The config key of a stored name; `undefined` if the name is not valid UTF-8, so that this service did not write it. */
export function parseName(bytes: Buffer): string | undefined {
  return isUtf8(bytes) ? bytes.toString() : undefined
}

/** A name as it is shown in logs and reports. Bytes that are not UTF-8 appear as `\xff`. */
export function shownName(bytes: Buffer): string {
  return parseName(bytes) ?? bytes.toString('latin1').replace(/[^ -~]/g, escaped)
}

function escaped(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
}
