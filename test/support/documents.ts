import { readFileSync } from 'node:fs'

/** The code blocks of a language under a heading of a document, up to the next heading of its rank or above. */
export function blocksUnder(path: string, heading: string, language: string): string[] {
  const text = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
  const [, afterHeading] = text.split(`\n${heading}\n`)
  if (afterHeading === undefined) throw new Error(`${path} has no heading "${heading}"`)
  const rank = heading.indexOf(' ')
  const [section = ''] = afterHeading.split(new RegExp(`^#{1,${rank}} `, 'm'))
  return [...section.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    ([, block = '']) => block,
  )
}
