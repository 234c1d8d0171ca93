const FAILURE_MODES = ['allow', 'deny', 'throw'] as const
const DEFAULT_TIMEOUT_MS = 500

/** The longest delay that a timer of Node can have. */
const MAX_TIMEOUT_MS = 2_147_483_647

export type OnFailure = (typeof FAILURE_MODES)[number]

export interface ThrottlerOptions {
  /** Address of the service, such as `http://127.0.0.1:8080`, or `https://gateway.example/limits` behind a proxy. */
  readonly url: string | URL
  /**
   * What `check` does if the service gives no decision. There is no default: a search may rather be allowed, a login
   * rather be denied.
   */
  readonly onFailure: OnFailure
  /** How long a check waits for its decision, in ms, counted from when it was asked; 500 by default. */
  readonly timeoutMs?: number | undefined
  /** One of the service's CHECK_TOKENS, if it has any. */
  readonly token?: string | undefined
  /** Receives the failure of every check that got no decision. */
  readonly onError?: ((failure: unknown) => unknown) | undefined
  /** Whether concurrent checks share calls to the service; `true` by default. */
  readonly shareCalls?: boolean | undefined
}

export interface Settings {
  readonly url: string
  readonly onFailure: OnFailure
  readonly timeoutMs: number
  readonly token: string | undefined
  readonly onError: (failure: unknown) => unknown
  readonly shareCalls: boolean
}

/** @throws {TypeError} if an option is missing, unknown or invalid; the message names it */
export function readOptions(options: ThrottlerOptions): Settings {
  refuseUnknown(options, ['url', 'onFailure', 'timeoutMs', 'token', 'onError', 'shareCalls'])
  const { onFailure, timeoutMs = DEFAULT_TIMEOUT_MS, token, onError = () => undefined, shareCalls = true } = options
  const url = readUrl(options.url)
  requireOption('onFailure', 'must be "allow", "deny" or "throw"', onFailure, FAILURE_MODES.includes(onFailure))
  const isTimeout = Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS
  requireOption('timeoutMs', `must be an integer between 1 and ${MAX_TIMEOUT_MS}`, timeoutMs, isTimeout)
  if (token !== undefined && !isToken(token)) {
    // The value is a secret, and errors are logged.
    throw new TypeError('"token" must be a string of printable ASCII characters without spaces')
  }
  requireOption('onError', 'must be a function', onError, typeof onError === 'function')
  requireOption('shareCalls', 'must be true or false', shareCalls, typeof shareCalls === 'boolean')
  return { url, onFailure, timeoutMs, token, onError, shareCalls }
}

/** @throws {TypeError} that names the option, unless it is valid */
export function requireOption(name: string, rule: string, given: unknown, isValid: boolean): void {
  if (!isValid) throw new TypeError(`"${name}" ${rule} (got ${show(given)})`)
}

/** @throws {TypeError} for options that are not an object, or that have an unknown member */
export function refuseUnknown(options: object, known: readonly string[]): void {
  requireOption('options', `must be an object with ${known.join(', ')}`, options, isObject(options))
  const unknown = Object.keys(options).find(name => !known.includes(name))
  if (unknown !== undefined) throw new TypeError(`"${unknown}" is not an option; the options are ${known.join(', ')}`)
}

/** The address without a slash at its end, so that paths can follow. */
function readUrl(given: string | URL): string {
  const url = URL.canParse(String(given)) ? new URL(given) : undefined
  requireOption('url', 'must be an http or https URL', given, url?.protocol === 'http:' || url?.protocol === 'https:')
  const { username, password, search, hash, href } = url as URL
  if (username !== '' || password !== '') throw new TypeError('"url" must not have credentials; use "token"')
  requireOption('url', 'must not have a query or a fragment', given, search === '' && hash === '')
  return href.replace(/[?#]*$/, '').replace(/\/+$/, '')
}

function isToken(given: unknown): boolean {
  return typeof given === 'string' && /^[!-~]+$/.test(given)
}

function isObject(given: unknown): boolean {
  return typeof given === 'object' && given !== null
}

function show(given: unknown): string {
  return typeof given === 'string' ? JSON.stringify(given) : String(given)
}
