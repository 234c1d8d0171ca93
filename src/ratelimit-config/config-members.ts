import { isObject } from '../lib/is-object.ts'
import { InvalidConfig } from './invalid-config.ts'

/** Flags as YAML 1.1 writes them. @see https://yaml.org/type/bool.html */
const FLAGS: ReadonlyMap<string, boolean> = new Map([
  ...['y', 'yes', 'true', 'on'].map(text => [text, true] as const),
  ...['', 'n', 'no', 'false', 'off'].map(text => [text, false] as const),
])
const INTEGER = /^\d{1,10}$/

/** The members of an object in a configuration. An absent member is empty text, false, 0 or no items, as in the reference. */
export class ConfigMembers {
  readonly #file: string
  readonly #path: string
  readonly #members: Readonly<Record<string, unknown>>

  /**
   * @param value scalars are the text that the file has for them
   * @param path such as `descriptors[2].rate_limit`; empty for the file as a whole
   * @throws {InvalidConfig} if it is not an object, or has other members than these
   */
  constructor(file: string, path: string, value: unknown, names: readonly string[]) {
    this.#file = file
    this.#path = path
    if (!isObject(value)) throw this.#invalid('', 'must be an object', value)
    const unknown = Object.keys(value).find(name => !names.includes(name))
    if (unknown !== undefined) throw this.fault(unknown, `is not a member; members are ${names.join(', ')}`)
    this.#members = value
  }

  /** Whether the member has a value. */
  has(name: string): boolean {
    return (this.#members[name] ?? null) !== null
  }

  /** @throws {InvalidConfig} */
  text(name: string): string {
    const value = this.#members[name] ?? ''
    if (typeof value === 'string' && value.isWellFormed()) return value
    throw this.#invalid(name, 'must be a text of valid Unicode', value)
  }

  /** @throws {InvalidConfig} */
  flag(name: string): boolean {
    const value = this.text(name)
    return FLAGS.get(value.toLowerCase()) ?? this.#fail(name, 'must be true or false', value)
  }

  /** @throws {InvalidConfig} */
  integer(name: string, max: number): number {
    const value = this.text(name).replaceAll('_', '') || '0'
    const number = INTEGER.test(value) ? Number(value) : Number.POSITIVE_INFINITY
    return number <= max ? number : this.#fail(name, `must be an integer between 0 and ${max}`, value)
  }

  /** The member as an object. @throws {InvalidConfig} */
  object(name: string, names: readonly string[]): ConfigMembers {
    return new ConfigMembers(this.#file, this.#at(name), this.#members[name], names)
  }

  /** The items of a list of objects. @throws {InvalidConfig} */
  items(name: string, names: readonly string[]): readonly ConfigMembers[] {
    const value = this.#members[name] ?? []
    if (!Array.isArray(value)) throw this.#invalid(name, 'must be a list', value)
    return value.map((item, index) => new ConfigMembers(this.#file, `${this.#at(name)}[${index}]`, item, names))
  }

  /** The error of a member. */
  fault(name: string, message: string): InvalidConfig {
    const path = this.#at(name)
    return new InvalidConfig(`${this.#file}: ${path === '' ? 'the file' : `"${path}"`} ${message}`)
  }

  #fail(name: string, message: string, found: unknown): never {
    throw this.#invalid(name, message, found)
  }

  #invalid(name: string, message: string, found: unknown): InvalidConfig {
    return this.fault(name, `${message} (got ${JSON.stringify(found)})`)
  }

  #at(name: string): string {
    return this.#path === '' || name === '' ? this.#path + name : `${this.#path}.${name}`
  }
}
