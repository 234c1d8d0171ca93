import { OperatorError } from '../../lib/operator-error.ts'
import { readSmallFile, type SmallFile } from '../../settings/read-setting-file.ts'

class UnusableToken extends OperatorError {}

/** A bearer token for the service, and where it comes from. Only `value` is secret. */
export interface ServiceToken {
  readonly value: string
  readonly source: string
}

/** Visible ASCII, which an Authorization field can carry. */
const TOKEN = /^[!-~]+$/

/** Permissions of everybody but the owner. */
const OTHERS = 0o077

/** The token in THROTTLER_TOKEN. @throws {UnusableToken} */
export function tokenOfVariable(value: string | undefined): ServiceToken | undefined {
  return value === undefined ? undefined : accepted(value, 'THROTTLER_TOKEN')
}

/**
 * The token in a file or a pipe, such as `<(command)` of a shell. As ssh does for its keys, warns of a file that others can read.
 * @throws {UnusableToken}
 */
export function tokenOfFile(path: string, warn: (text: string) => void): ServiceToken {
  const source = `--token-file ${JSON.stringify(path)}`
  const { bytes, mode } = read(path, source)
  if ((mode & OTHERS) !== 0) {
    const permissions = (mode & 0o777).toString(8).padStart(4, '0')
    warn(`warning: others can access ${source} (mode ${permissions}); run "chmod 600" on it`)
  }
  return accepted(bytes.toString('utf8').trim(), source)
}

function read(path: string, source: string): SmallFile {
  try {
    return readSmallFile(path, { acceptsPipe: true })
  } catch (err) {
    throw new UnusableToken(`${source} cannot be read: ${(err as Error).message}`)
  }
}

function accepted(value: string, source: string): ServiceToken {
  if (value === '') throw new UnusableToken(`${source} is empty; it must contain a token`)
  if (TOKEN.test(value)) return { value, source }
  throw new UnusableToken(
    `${source} must contain one token of visible ASCII characters (the value is secret and not shown)`,
  )
}
