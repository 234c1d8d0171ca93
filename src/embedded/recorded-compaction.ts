/**
 * How the journal records that the logs in the store were compacted: the next event's line begins with the member `compactedTo`. Events
 * may have members that a release does not know, so earlier releases read such lines too.
 */
const BEGINNING = '{"compactedTo":'

/** @param event as JSON */
export function withCompactedTo(event: string, compactedTo: readonly number[]): string {
  return `${BEGINNING}${JSON.stringify(compactedTo)},${event.slice(1)}`
}

export function hasCompactedTo(line: string): boolean {
  return line.startsWith(BEGINNING)
}

/** The event alone, as JSON. */
export function withoutCompactedTo(line: string): string {
  return hasCompactedTo(line) ? `{${line.slice(line.indexOf(',', line.indexOf(']')) + 1)}` : line
}
