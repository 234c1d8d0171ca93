/** Characters that a terminal obeys instead of showing them: controls, and those that reorder text. */
const OBEYED = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** One line of text from a file, safe to show on a terminal. */
export function printable(text: string): string {
  return text.replace(OBEYED, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
