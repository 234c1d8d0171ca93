/** A line of a file cannot be used. The message says why. */
export class LineFault extends Error {
  override readonly name = 'LineFault'
}
