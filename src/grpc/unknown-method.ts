import type { Method } from './call.ts'

/** Refuses the calls of methods that do not exist. */
export const UNKNOWN_METHOD: Method = {
  name: 'unknown',
  admit: ({ metadata }) => ({ name: 'UNIMPLEMENTED', message: `no method ${metadata[':path']}` }),
  answer: (_message, responder) => responder.end({ name: 'UNIMPLEMENTED', message: '' }),
}
