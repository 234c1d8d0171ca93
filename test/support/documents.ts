import { readFileSync } from 'node:fs'

/** The code blocks of a language in a document. */
export function allBlocks(path: string, language: string): string[] {
  return blocksIn(read(path), language)
}

/** The code blocks of a language under a heading of a document, up to the next heading of the same or a higher level. */
export function blocksUnder(path: string, heading: string, language: string): string[] {
  const text = read(path)
  const outline = withoutComments(text)
  const start = outline.indexOf(`\n${heading}\n`)
  if (start === -1) throw new Error(`${path} has no heading "${heading}"`)
  const rank = heading.indexOf(' ')
  const length = outline.slice(start + 1 + rank).search(new RegExp(`^#{1,${rank}} `, 'm'))
  const section = text.slice(start, length === -1 ? undefined : start + 1 + rank + length)
  return blocksIn(section, language)
}

function blocksIn(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, block = '']) => block)
}

function read(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
}

/** The same text, with the same length, but without comments in code blocks that look like headings. */
function withoutComments(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, code => code.replace(/^#/gm, ' '))
}
