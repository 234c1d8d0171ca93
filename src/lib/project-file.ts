import { readFileSync } from 'node:fs'

/** The text of a file of the project, two folders above this file in the sources, three in the build. */
export function readProjectFile(path: string): string {
  try {
    return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
  } catch {
    return readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')
  }
}
