import { readFileSync } from 'node:fs'

/** From package.json, which lies one folder above the sources and two above what is built from them. */
function read(): string {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as { version: string }).version
    } catch {
      // The other one, then.
    }
  }
  return 'unknown'
}

export const version = read()
