/** The beginning of a text that is longer than `maxCharacters`, marked as cut; a shorter text as it is. */
export function cut(text: string, maxCharacters: number): string {
  return text.length > maxCharacters ? `${text.slice(0, maxCharacters)}…` : text
}
