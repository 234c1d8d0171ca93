import { DamagedStore } from './ports.ts'

/** What a log line says of a failure: damage in one line, since a stack would say nothing; anything else with its stack. */
export function faultFields(err: unknown): { reason: string } | { err: unknown } {
  return err instanceof DamagedStore ? { reason: err.message } : { err }
}
