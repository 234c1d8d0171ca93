import { resolve } from 'node:path'
import { EnvError } from './env.ts'
import { fault } from './fault.ts'
import { readSettingFile } from './read-setting-file.ts'

const FILE = '.env'

/** An entry, a comment or an empty line. A quoted value can span lines. */
const ENTRY =
  /[ \t]*(?:(?:export[ \t]+)?[A-Za-z_]\w*[ \t]*=[ \t]*(?:(["'`])(?:(?!\1)[\s\S])*\1|[^"'`\s#][^\n]*)?[ \t]*)?(?:#[^\n]*)?\r?(?:\n|$)/y

/**
 * Loads `.env` of the working directory into the environment, whose own variables take precedence. Node.js ignores malformed
 * lines, so that a setting would silently keep its default: they are refused here.
 * @returns the path of the file, if there is one
 * @throws {EnvError}
 */
export function loadDotenv(): string | undefined {
  const text = readDotenv()
  if (text === undefined) return undefined
  const path = resolve(FILE)
  const line = malformedLine(text)
  if (line !== undefined) {
    throw new EnvError([
      fault(path, 'contain only lines such as NAME=value and comments', `something else in line ${line}`),
    ])
  }
  process.loadEnvFile(path)
  return path
}

function readDotenv(): string | undefined {
  try {
    return readSettingFile(FILE)
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new EnvError([fault(resolve(FILE), 'be a readable file', (err as Error).message)])
  }
}

/** The number of the first malformed line. Only the number is reported, since the text may be secret. */
function malformedLine(text: string): number | undefined {
  ENTRY.lastIndex = 0
  let end = 0
  while (end < text.length) {
    if (!ENTRY.test(text)) return text.slice(0, end).split('\n').length
    end = ENTRY.lastIndex
  }
  return undefined
}
