const SECRET_NAME =
  /^(authorization|cookie|password|passphrase|credentials?|\w*[_-]?secret|((access|admin|api|auth|bearer|check)[_-]?)?token|api[_-]?key|idempotency[_-]?key)$/i

const REDACTED = '[redacted]'

/** A copy in which members with secret names, such as `token`, are redacted. */
export function redactSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redactSecrets)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, SECRET_NAME.test(name) ? REDACTED : redactSecrets(member)]),
  )
}
