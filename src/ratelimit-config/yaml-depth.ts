import { Lexer, Parser } from 'yaml'

/** Each level of descriptors has two: a list, and a map in it. */
export const MAX_YAML_DEPTH = 500

/** Whether a value is nested more than `MAX_YAML_DEPTH` levels deep. An alias can refer to what contains it. */
export function isValueTooDeep(value: unknown, levels = MAX_YAML_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some(member => isValueTooDeep(member, levels - 1))
}

/** Whether collections are nested more than `MAX_YAML_DEPTH` levels deep. Reads tokens only: to compose a document takes the stack for each level. */
export function isNestedTooDeep(text: string): boolean {
  const parser = new Parser()
  for (const token of new Lexer().lex(text)) {
    Array.from(parser.next(token))
    if (parser.stack.length > MAX_YAML_DEPTH) return true
  }
  return false
}
