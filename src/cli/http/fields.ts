import { EXPLAIN_AFTER_MS } from '../backend/await-command.ts'

export const JSON_BODY = { 'content-type': 'application/json' } as const

/** The service restores UTF-8 from the Latin-1 characters in which Node.js sends and reads fields. */
export function reasonField(reason: string | undefined): Record<string, string> {
  return reason === undefined ? {} : { 'x-change-reason': Buffer.from(reason).toString('latin1') }
}

/** How long the service waits for the result: until it is time to tell the user what the command waits for. In ms. */
export function serviceWaitMs(timeoutMs: number): number {
  return Math.min(timeoutMs, EXPLAIN_AFTER_MS)
}

export function preferWait(timeoutMs: number): Record<string, string> {
  return { prefer: `wait=${Math.ceil(serviceWaitMs(timeoutMs) / 1000)}` }
}
