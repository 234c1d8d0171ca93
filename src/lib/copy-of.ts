/**
 * A string of its own. In V8, a part of a string refers to the whole: a remembered key would keep a request target of 16 KB in memory.
 * @param text of characters of one byte, such as what is read of a head
 */
export function copyOf(text: string): string {
  return text === '' ? text : Buffer.from(text, 'latin1').toString('latin1')
}
