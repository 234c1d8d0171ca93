import type { LoggedRequest } from './access-log.ts'
import { LineFault } from './line-fault.ts'

const FIELD = /\{([^{}]+)\}/g

/** The names of the fields in a text. */
export function fieldsIn(text: string): readonly string[] {
  return text.split(FIELD).filter((_, i) => i % 2 === 1)
}

/** A text with fields of a request in braces: `ip:{remote_addr}`. */
export class FieldTemplate {
  readonly #parts: readonly string[]

  constructor(template: string) {
    this.#parts = template.split(FIELD)
  }

  /** @throws {LineFault} if the request does not have a field, or has a number in it that was not read exactly */
  textOf(request: LoggedRequest): string {
    return this.#parts.map((part, i) => (i % 2 === 0 ? part : text(part, request.field(part)))).join('')
  }
}

function text(name: string, value: unknown): string {
  // Its digits are lost, so that several numbers would be one text.
  if (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER)
    throw new LineFault(`has a number beyond ${Number.MAX_SAFE_INTEGER} as "${name}"; only text can be longer`)
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw new LineFault(`has no "${name}"`)
}
