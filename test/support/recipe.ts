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

/**
 * Replaces each text wherever it occurs, but not in what replaces another one: the address with the port 30001 contains the one with 3000.
 * Throws if one does not occur at all.
 */
export function replaceAll(text: string, replaced: Replacements): string {
  const entries = Object.entries(replaced)
  for (const [from] of entries) if (!text.includes(from)) throw new Error(`the recipe does not contain "${from}"`)
  return replaceApart(text, entries)
}

function replaceApart(text: string, [first, ...others]: readonly (readonly [string, string])[]): string {
  if (first === undefined) return text
  const [from, to] = first
  const between = text.split(from)
  return between.map(part => replaceApart(part, others)).join(to)
}
