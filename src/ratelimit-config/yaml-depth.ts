import { Lexer, Parser } from 'yaml'

/** Each level of descriptors has two: a list, and a map in it. */
export const MAX_YAML_DEPTH = 500

/** Whether collections are nested more than `MAX_YAML_DEPTH` levels deep. Reads tokens only: to compose a document takes the stack for each level. */
export function isNestedTooDeep(text: string): boolean {
  const parser = new Parser()
  for (const token of new Lexer().lex(text)) {
    Array.from(parser.next(token))
    if (parser.stack.length > MAX_YAML_DEPTH) return true
  }
  return false
}
