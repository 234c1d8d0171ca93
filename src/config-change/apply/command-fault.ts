/** A command that can never be processed as it stands, for a reason that its caller may be told. */
export class CommandFault extends Error {
  override readonly name = 'CommandFault'
}
