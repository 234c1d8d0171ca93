import { fault } from './fault.ts'

/** A bearer token of `ADMIN_TOKENS` or `CHECK_TOKENS`. */
export interface Token {
  /** Names the caller in the log and in the history of policies. */
  readonly name: string
  readonly token: string
  readonly readOnly: boolean
}

/** A shorter token could be guessed. */
export const MIN_TOKEN_LENGTH = 16

/** A name, and visible ASCII, which an Authorization field can carry, without the separators `,` and `:`. */
const ENTRY = /^(?<name>[^:,\s]+):(?<token>[!-+\x2d-9;-~]+)(?::(?<access>read))?$/

interface TokenList {
  readonly name: 'ADMIN_TOKENS' | 'CHECK_TOKENS'
  /** The form of an entry, for reports: `name:token`. */
  readonly forms: string
  /** Whether a token can be restricted to reading. */
  readonly allowsReadOnly: boolean
}

export const ADMIN_TOKENS: TokenList = {
  name: 'ADMIN_TOKENS',
  forms: 'name:token or name:token:read',
  allowsReadOnly: true,
}
export const CHECK_TOKENS: TokenList = { name: 'CHECK_TOKENS', forms: 'name:token', allowsReadOnly: false }

/** Reads a list of tokens, and adds what is invalid to the faults. Faults never contain a token. */
export function readTokens(list: TokenList, value: string | undefined, faults: string[]): readonly Token[] {
  if (value === undefined) return []
  const tokens = value.split(',').map(entry => parseEntry(list, entry))
  if (tokens.includes(undefined)) {
    const rule = `be a comma-separated list of ${list.forms}, with tokens of visible ASCII characters`
    faults.push(fault(list.name, rule, 'a value that is not shown because it is secret'))
  }
  const readable = tokens.filter(token => token !== undefined)
  faults.push(...lengthFaults(list, readable), ...nameFaults(list, readable))
  return readable
}

function parseEntry({ allowsReadOnly }: TokenList, entry: string): Token | undefined {
  const { name, token, access } = ENTRY.exec(entry)?.groups ?? {}
  if (name === undefined || token === undefined || (access !== undefined && !allowsReadOnly)) return undefined
  return { name, token, readOnly: access === 'read' }
}

function lengthFaults(list: TokenList, tokens: readonly Token[]): string[] {
  const short = tokens.filter(({ token }) => token.length < MIN_TOKEN_LENGTH)
  const rule = `have at least ${MIN_TOKEN_LENGTH} characters in each token`
  return short.map(({ name, token }) =>
    fault(list.name, rule, `${token.length} in the token named ${JSON.stringify(name)}`),
  )
}

function nameFaults(list: TokenList, tokens: readonly Token[]): string[] {
  const names = tokens.map(({ name }) => name)
  const repeated = new Set(names.filter((name, index) => names.indexOf(name) !== index))
  return [...repeated].map(name => fault(list.name, 'use each name once', `${JSON.stringify(name)} more than once`))
}

/**
 * The log and the history of policies could not tell the callers of one token apart, and a read-only token in both lists could spend.
 * Faults never contain a token.
 */
export function sharedTokenFaults(adminTokens: readonly Token[], checkTokens: readonly Token[]): string[] {
  const owners = new Map<string, string>()
  const faultsOf = (list: TokenList, tokens: readonly Token[]) =>
    tokens.flatMap(({ name, token }) => {
      const owner = owners.get(token) ?? name
      owners.set(token, owner)
      const names = `${JSON.stringify(owner)} and ${JSON.stringify(name)} for the same token`
      return owner === name ? [] : [fault(list.name, 'have a token of its own for each name', names)]
    })
  return [
    ...faultsOf(ADMIN_TOKENS, adminTokens),
    ...faultsOf(CHECK_TOKENS, checkTokens),
    ...readOnlyTokenFaults(adminTokens, checkTokens),
  ]
}

function readOnlyTokenFaults(adminTokens: readonly Token[], checkTokens: readonly Token[]): string[] {
  const readOnly = adminTokens.filter(admin => admin.readOnly)
  const rule = 'have no token that ADMIN_TOKENS has as read-only'
  return checkTokens
    .filter(check => readOnly.some(({ name, token }) => name === check.name && token === check.token))
    .map(({ name }) => fault(CHECK_TOKENS.name, rule, `the token named ${JSON.stringify(name)}`))
}
