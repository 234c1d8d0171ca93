/** The config keys of policies for descriptors: `rls;DOMAIN;KEY=VALUE;KEY=VALUE…`. */
import { type DescriptorPart, isEncoded } from './descriptor-text.ts'

/** How the keys of descriptors and of their policies begin. */
const BEGINNING = 'rls;'

export function isDescriptorKey(key: string): boolean {
  return key.startsWith(BEGINNING)
}

/** The text of a descriptor: the key of its bucket, unless that would be too long. */
export function descriptorKey({ domain, entries }: Descriptor): string {
  let text = BEGINNING + domain
  for (const { key, value } of entries) text += `;${key}=${value}`
  return text
}

/** An entry of a descriptor, encoded. */
export interface DescriptorEntry {
  readonly key: string
  readonly value: string
}

/** What Envoy asks about: a request's entries, in a domain. */
export interface Descriptor {
  readonly domain: string
  readonly entries: readonly DescriptorEntry[]
}

/** Which values an entry of a pattern matches: one, those with a prefix, or any. */
export type ValuePattern =
  | { readonly exact: string; readonly prefix?: never }
  | { readonly prefix: string; readonly exact?: never }
  | { readonly exact?: never; readonly prefix?: never }

export interface EntryPattern {
  readonly key: string
  readonly value: ValuePattern
}

/** Which descriptors a policy matches: those of the domain with as many entries, each of which matches. */
export interface DescriptorPattern {
  readonly domain: string
  readonly entries: readonly EntryPattern[]
}

const FORM = '"rls;DOMAIN;KEY=VALUE;KEY=VALUE…"'
const ENCODING: Readonly<Record<DescriptorPart, string>> = {
  domain: '%, ;, {, } and control characters',
  key: '%, ;, {, }, = and control characters',
  value: '%, ;, {, }, * and control characters',
}

/** Why a config key is not that of a policy for descriptors; `undefined` if it is. @param configKey begins with `rls;` */
export function descriptorPatternFault(configKey: string): string | undefined {
  const [, domain = '', ...entries] = configKey.split(';')
  if (domain === '' || entries.length === 0) {
    return `a key that begins with "${BEGINNING}" is a policy for descriptors and has the form ${FORM}; was "${configKey}"`
  }
  for (const entry of entries) {
    const fault = entryFault(entry)
    if (fault !== undefined) return fault
  }
  return partFault('domain', domain)
}

function entryFault(entry: string): string | undefined {
  const { key, value } = entryPattern(entry)
  if (key === '') return `the entry "${entry}" of ${FORM} has no key`
  return partFault('key', key) ?? partFault('value', value.exact ?? value.prefix ?? '')
}

function partFault(part: DescriptorPart, text: string): string | undefined {
  if (isEncoded(part, text)) return undefined
  return (
    `the ${part} "${text}" is not encoded as it must be: ${ENCODING[part]} are written as % and two hexadecimal digits in capitals, ` +
    'and nothing else is'
  )
}

/** @param configKey without a fault */
export function descriptorPattern(configKey: string): DescriptorPattern {
  const [, domain = '', ...entries] = configKey.split(';')
  return { domain, entries: entries.map(entryPattern) }
}

function entryPattern(entry: string): EntryPattern {
  const equals = entry.indexOf('=')
  if (equals === -1) return { key: entry, value: {} }
  const value = entry.slice(equals + 1)
  const key = entry.slice(0, equals)
  return { key, value: value.endsWith('*') ? { prefix: value.slice(0, -1) } : { exact: value } }
}

/** The descriptor that a text names; `undefined` if an entry has no value. @param key begins with `rls;` */
export function descriptorIn(key: string): Descriptor | undefined {
  const [, domain = '', ...texts] = key.split(';')
  const entries = texts.map(text => {
    const equals = text.indexOf('=')
    return equals === -1 ? undefined : { key: text.slice(0, equals), value: text.slice(equals + 1) }
  })
  return entries.every(entry => entry !== undefined) ? { domain, entries } : undefined
}
