import { allBlocks } from './documents.ts'

type Replacements = Readonly<Record<string, string>>

/** The first block of a language in one of `docs/recipes`, with addresses and names replaced by those of a test. */
export function recipe(name: string, language: string, replaced: Replacements): string {
  const [block] = recipeBlocks(name, language)
  if (block === undefined) throw new Error(`docs/recipes/${name}.md has no block of ${language}`)
  return replaceAll(block, replaced)
}

/** All blocks of a language in one of `docs/recipes`. */
export function recipeBlocks(name: string, language: string): string[] {
  return allBlocks(`docs/recipes/${name}.md`, language)
}

/** Replaces each text wherever it occurs. Throws if one does not occur at all. */
export function replaceAll(text: string, replaced: Replacements): string {
  return Object.entries(replaced).reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the recipe does not contain "${from}"`)
    return text.replaceAll(from, to)
  }, text)
}
