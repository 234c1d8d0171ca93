import type { Values } from './command.ts'
import { printable } from './printable.ts'

export const JSON_OPTION = { json: { type: 'boolean' } } as const

export const JSON_HELP = '  --json              prints JSON on a terminal too'

/** Writes a result, or an item of a long one: text for people on a terminal; otherwise, and with `--json`, one line of JSON. */
export function writeResult(values: Values, body: object, textOf: () => string): void {
  process.stdout.write(isForPeople(values) ? textOf() : jsonLine(body))
}

export function isForPeople({ json }: Values): boolean {
  return process.stdout.isTTY && json !== true
}

/** What `printable` escapes occurs only in strings, where JSON has the same escapes. */
export function jsonLine(body: object): string {
  return `${printable(JSON.stringify(body))}\n`
}
