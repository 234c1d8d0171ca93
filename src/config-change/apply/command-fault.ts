/** A command can never be processed. The message may be shown to its caller. */
export class CommandFault extends Error {
  override readonly name = 'CommandFault'
}
