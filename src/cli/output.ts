import type { Values } from './command.ts'

/** Writes a result: text for people on a terminal; otherwise, and with `--json`, one line of JSON. */
export function writeResult(values: Values, body: object, textOf: () => string): void {
  process.stdout.write(isForPeople(values) ? textOf() : `${JSON.stringify(body)}\n`)
}

export function isForPeople({ json }: Values): boolean {
  return process.stdout.isTTY && json !== true
}
