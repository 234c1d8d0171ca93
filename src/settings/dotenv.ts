import { isUtf8 } from 'node:buffer'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { EnvError } from './env.ts'
import { fault } from './fault.ts'
import { readSmallFile } from './read-setting-file.ts'

const FILE = '.env'

/** An entry, a comment or an empty line. A quoted value can span lines. */
const ENTRY =
  /[ \t]*(?:(?:export[ \t]+)?(?<name>[A-Za-z_]\w*)[ \t]*=[ \t]*(?:(?<quote>["'`])(?:(?!\k<quote>)[\s\S])*\k<quote>|[^"'`\s#][^\n]*)?[ \t]*)?(?:#[^\n]*)?(?:\r?\n|$)/y

/** An entry with an unquoted value that Node.js would cut at its first "#", which no white space precedes. */
const CUT_VALUE = /^[^#]*[^\s#]#/

/**
 * Loads `.env` of the working directory into the environment, whose own variables take precedence. Of malformed lines, bytes that
 * are not text, lone carriage returns, repeated names and values with a "#", Node.js takes what it understands, so that a setting would
 * silently get another value: they are refused here.
 * @returns the path of the file, if there is one
 * @throws {EnvError}
 */
export function loadDotenv(): string | undefined {
  const bytes = readDotenv()
  if (bytes === undefined) return undefined
  const path = resolve(FILE)
  const text = bytes.toString('utf8')
  const found = bytesFault(bytes) ?? lineEndFault(text) ?? entriesFault(text)
  if (found !== undefined) throw new EnvError([fault(path, found.rule, found.given)])
  process.loadEnvFile(path)
  return path
}

function readDotenv(): Buffer | undefined {
  try {
    return readSmallFile(FILE).bytes
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new EnvError([fault(resolve(FILE), 'be a readable file', (err as Error).message)])
  }
}

interface FileFault {
  readonly rule: string
  /** Only names and numbers of lines, since the rest of the text may be secret. */
  readonly given: string
}

function bytesFault(bytes: Buffer): FileFault | undefined {
  const lines = bytes.toString('latin1').split('\n')
  const index = lines.findIndex(line => line.includes('\0') || !isUtf8(Buffer.from(line, 'latin1')))
  if (index === -1) return undefined
  return { rule: 'be UTF-8 text without null bytes', given: `something else in line ${index + 1}` }
}

/** Node.js removes carriage returns, so a lone one would join two lines: the value of the first would contain the second. */
function lineEndFault(text: string): FileFault | undefined {
  const index = text.search(/\r(?!\n)/)
  if (index === -1) return undefined
  return { rule: 'end lines with "\\n" or "\\r\\n"', given: `a lone "\\r" in line ${lineNumberAt(text, index)}` }
}

function entriesFault(text: string): FileFault | undefined {
  const names = new Set<string>()
  const read = parseEnv(text)
  let end = 0
  while (end < text.length) {
    const lineNumber = () => lineNumberAt(text, end)
    ENTRY.lastIndex = end
    const entry = ENTRY.exec(text)
    if (entry === null) {
      const rule = 'contain only lines such as NAME=value and comments'
      return { rule, given: `something else in line ${lineNumber()}` }
    }
    const { name, quote } = entry.groups as { name?: string; quote?: string }
    const misread = name === undefined ? undefined : misreading(name, quote, entry[0], read[name])
    if (misread !== undefined) return { rule: misread.rule, given: `${misread.given} in line ${lineNumber()}` }
    if (name !== undefined && names.has(name)) {
      return { rule: 'set each variable once', given: `${JSON.stringify(name)} again in line ${lineNumber()}` }
    }
    if (name !== undefined) names.add(name)
    end = ENTRY.lastIndex
  }
  return undefined
}

function lineNumberAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}

/** Why Node.js, at least in some versions, would not read an entry as it is meant; `undefined` if it would. */
function misreading(
  name: string,
  quote: string | undefined,
  entry: string,
  value: string | undefined,
): FileFault | undefined {
  if (quote === undefined && CUT_VALUE.test(entry)) {
    return { rule: 'quote each value that contains "#", as in NAME="a#b"', given: 'an unquoted one' }
  }
  // White space before names and comments, and around names, becomes a part of the name.
  if (value === undefined) {
    const rule = 'have no white space before names and comments, or between a name and "="'
    return { rule, given: `${JSON.stringify(name)}, which would not be set,` }
  }
  const hasTab = quote === undefined ? /^\t|\t$/.test(value) : value.trimStart().startsWith(quote)
  return hasTab
    ? { rule: 'have no tabs around values', given: `one around that of ${JSON.stringify(name)}` }
    : undefined
}
