import { OperatorError } from '../../lib/operator-error.ts'

class InvalidUrl extends OperatorError {}

const RULE = '--url must be an http or https URL, such as https://throttler.example.com'

/**
 * The URL of the service, without a slash at its end. It may have a path, under which a proxy serves the service.
 * @throws {InvalidUrl} whose message never contains a user, a password or a query
 */
export function serviceUrl(given: string): URL {
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new InvalidUrl(`${RULE} (got ${JSON.stringify(withoutSecrets(given))})`)
  }
  if (url.username !== '' || url.password !== '') {
    throw new InvalidUrl(
      '--url must not contain a user or password; the token comes from THROTTLER_TOKEN or --token-file',
    )
  }
  if (url.search !== '' || url.hash !== '') {
    throw new InvalidUrl(`${RULE}, without a query or fragment (got ${JSON.stringify(withoutSecrets(given))})`)
  }
  url.pathname = url.pathname.replace(/\/+$/, '')
  return url
}

function withoutSecrets(given: string): string {
  // An "@" after a "?" may end a password, or be part of a query.
  if (/[?#].*@/s.test(given)) return '…'
  return given.replace(/^.*@/s, '…@').replace(/[?#].*$/s, rest => `${rest[0]}…`)
}
