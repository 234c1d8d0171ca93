/** Reports of URLs that cannot be used. What may be a password or a token is not shown. */

const PARTS = /^(?<scheme>[a-z][a-z0-9+.-]*:\/\/)(?<login>.*@)?(?<hosts>[^/?#]*)(?<rest>.*)$/is

/** What follows a colon and is no port is a password, where the host was forgotten. What follows white space may be anything. */
const NO_HOST = /(:(?!\d{1,5}(?:,|$))|\s).*/s

const HOST = /^[\w.-]+(:\d{1,5})?$/

/**
 * What was given. Text without a scheme is shown only if it looks like a host.
 * @param isFromFile whether a file holds it; then it may be a password alone
 */
export function describeMalformedUrl(text: string, isFromFile = false): string {
  if (HOST.test(text) && !isFromFile) return JSON.stringify(text)
  const parts = PARTS.exec(text)?.groups
  if (parts === undefined) return 'text without "://", which is not shown'
  const login = parts['login'] === undefined ? '' : '***@'
  const rest = parts['rest'] ? '…' : ''
  return JSON.stringify(`${parts['scheme']}${login}${describeHosts(parts['hosts'] ?? '')}${rest}`)
}

/** Hosts with ports, without what may be a password. */
export function describeHosts(hosts: string): string {
  return hosts.replace(NO_HOST, '$1***')
}
