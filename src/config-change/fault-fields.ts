import { DamagedStore } from './damaged-store.ts'

/** Log fields of a failure: damage as one line, since its stack says nothing; any other error with its stack. */
export function faultFields(err: unknown): { reason: string } | { err: unknown } {
  return err instanceof DamagedStore ? { reason: err.message } : { err }
}
