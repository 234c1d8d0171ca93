export type Command = readonly (string | number)[]

/** Commands as the store reads them. */
export interface EncodedCommands {
  /** In memory of their own, which can be transferred to another thread. */
  readonly bytes: Buffer
  readonly count: number
}

/**
 * @param encoding of all arguments; with `latin1`, each character is a byte
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
export function encode(commands: readonly Command[], encoding: 'utf8' | 'latin1' = 'utf8'): EncodedCommands {
  let text = ''
  for (const command of commands) {
    text += `*${command.length}\r\n`
    for (const argument of command) {
      const value = String(argument)
      text += `$${Buffer.byteLength(value, encoding)}\r\n${value}\r\n`
    }
  }
  // `Buffer.from` puts a short text into memory that it shares with other buffers.
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text, encoding))
  bytes.write(text, encoding)
  return { bytes, count: commands.length }
}
