const SECRET_NAME =
  /^(authorization|cookie|password|passphrase|credentials?|\w*[_-]?secret|((access|admin|api|auth|bearer|check)[_-]?)?token|api[_-]?key|idempotency[_-]?key)$/i

const REDACTED = '[redacted]'

/** The same value, in which members whose name says that they are secret show nothing. */
export function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, SECRET_NAME.test(name) ? REDACTED : withoutSecrets(member)]),
  )
}
