import { readFileSync } from 'node:fs'

/** The text of a file of the project, which lies one folder above the sources and two above what is built from them. */
export function readProjectFile(path: string): string {
  try {
    return readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
  } catch {
    return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
  }
}
