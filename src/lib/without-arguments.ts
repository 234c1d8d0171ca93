/** An error message without the arguments that Redis repeats of a command that it does not know: they contain callers' keys. */
export function withoutArguments(message: string): string {
  return message.replace(/, with args beginning with: .*$/gm, '')
}
