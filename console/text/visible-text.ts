/** A part of a text: shown as it is, or as an escape in place of a character that cannot be seen or that moves others. */
export interface Segment {
  readonly text: string
  /** Name of the character that the escape stands for, such as `U+202E`. */
  readonly escaped?: string
}

/** Control, format and separator characters, private use, lone surrogates, and every space but U+0020. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]|(?! )\p{Zs}|^ +| +$/gu

/** Splits a text that a caller chose, so that it can be shown without surprises. */
export function visibleSegments(text: string): readonly Segment[] {
  const segments: Segment[] = []
  let shown = 0
  for (const { 0: found, index } of text.matchAll(INVISIBLE)) {
    if (index > shown) segments.push({ text: text.slice(shown, index) })
    for (const character of found) segments.push(escapeOf(character))
    shown = index + found.length
  }
  if (shown < text.length) segments.push({ text: text.slice(shown) })
  return segments
}

/** The same as one text, for titles and messages. */
export function visibleText(text: string): string {
  return visibleSegments(text)
    .map(segment => segment.text)
    .join('')
}

function escapeOf(character: string): Segment {
  const hex = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
  return { text: `\\u{${hex}}`, escaped: `U+${hex}` }
}
