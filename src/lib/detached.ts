/** A copy of a text. Node.js keeps a long text in memory as long as there is a part that was cut out of it, and has no reference to a copy. */
export function detached(text: string): string {
  return Buffer.from(text).toString()
}
