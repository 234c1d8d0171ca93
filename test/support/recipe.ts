import { readFileSync } from 'node:fs'

/** The first block of a language in one of `docs/recipes`, with addresses and names replaced by those of a test. */
export function recipe(name: string, language: string, replaced: Readonly<Record<string, string>>): string {
  const text = readFileSync(new URL(`../../docs/recipes/${name}.md`, import.meta.url), 'utf8')
  const block = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(text)?.[1]
  if (block === undefined) throw new Error(`docs/recipes/${name}.md has no block of ${language}`)
  return Object.entries(replaced).reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the ${language} of docs/recipes/${name}.md does not say "${from}"`)
    return text.replaceAll(from, to)
  }, block)
}
