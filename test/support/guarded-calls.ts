import { pino } from 'pino'

/** Tokens of a service that guards its calls. */
export const ADMIN = 'secret-of-an-admin'
export const READER = 'secret-of-a-reader'
export const CHECKER = 'secret-of-a-checker'

export const TOKEN_VARIABLES = {
  ADMIN_TOKENS: `ann:${ADMIN},eve:${READER}:read`,
  CHECK_TOKENS: `gate:${CHECKER}`,
}

/** The log of a service, for a test to read. */
export function givenLog() {
  const lines: Readonly<Record<string, unknown>>[] = []
  const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  return { lines, logger }
}
