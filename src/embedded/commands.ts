export type Command = readonly (string | number)[]

/** Commands as the store reads them. */
export interface EncodedCommands {
  /** In memory of their own, which can be transferred to another thread. */
  readonly bytes: Buffer
  readonly count: number
}

/** @see https://redis.io/docs/latest/develop/reference/protocol-spec/ */
export function encode(commands: readonly Command[]): EncodedCommands {
  let text = ''
  for (const command of commands) {
    text += `*${command.length}\r\n`
    for (const argument of command) {
      const value = String(argument)
      text += `$${Buffer.byteLength(value)}\r\n${value}\r\n`
    }
  }
  // `Buffer.from` puts a short text into memory that it shares with other buffers.
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text))
  bytes.write(text)
  return { bytes, count: commands.length }
}
