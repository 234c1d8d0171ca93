import { pipeline } from 'node:stream/promises'
import type { Values } from './command.ts'
import { printable } from './printable.ts'

export const JSON_OPTION = { json: { type: 'boolean' } } as const

export const JSON_HELP = '  --json              prints JSON on a terminal too'

/** Writes a result, or an item of a short list. */
export function writeResult(values: Values, body: object, textOf: () => string): void {
  process.stdout.write(resultText(values, body, textOf))
}

/** Text for people on a terminal; otherwise, and with `--json`, one line of JSON. */
export function resultText(values: Values, body: object, textOf: () => string): string {
  return isForPeople(values) ? textOf() : jsonLine(body)
}

/** Writes an output of any length. Each part is asked for only when the reader has room for it, so a slow one fills no memory. */
export function writeParts(parts: AsyncIterable<string>): Promise<void> {
  return pipeline(parts, process.stdout, { end: false })
}

export function isForPeople({ json }: Values): boolean {
  return process.stdout.isTTY && json !== true
}

/** What `printable` escapes occurs only in strings, where JSON has the same escapes. */
export function jsonLine(body: object): string {
  return `${printable(JSON.stringify(body))}\n`
}
