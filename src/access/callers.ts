import { clientOf } from '../lib/client-of.ts'
import { Problem } from '../lib/errors.ts'
import type { Token } from '../settings/token.ts'
import { FailedLogins } from './failed-logins.ts'
import { TokenSet } from './token-set.ts'

/** Rate limits of admin calls and failed logins. Each resolves with the time to wait in ms; 0 if the call is allowed. */
export interface AdminLimits {
  adminCall(tokenName: string, client: string): Promise<number>
  failedLogin(client: string): Promise<number>
}

interface CallersOptions {
  readonly adminTokens: readonly Token[]
  readonly checkTokens: readonly Token[]
  readonly limits: AdminLimits
}

/** Who may call, over any protocol. */
export class Callers {
  readonly #limits: AdminLimits
  readonly #admin: TokenSet
  readonly #check: TokenSet
  /** Tokens for checks first. */
  readonly #all: TokenSet
  readonly #failedLogins: FailedLogins

  constructor({ limits, adminTokens, checkTokens }: CallersOptions) {
    this.#limits = limits
    this.#admin = new TokenSet(adminTokens)
    this.#check = new TokenSet(checkTokens)
    this.#all = new TokenSet([...checkTokens, ...adminTokens])
    this.#failedLogins = new FailedLogins(
      client => limits.failedLogin(client),
      () => performance.now(),
    )
  }

  /** Whether checks need no token. */
  get areChecksOpen(): boolean {
    return this.#check.isEmpty
  }

  /** Whether admin calls need no token. */
  get areAdminCallsOpen(): boolean {
    return this.#admin.isEmpty
  }

  findAdminToken(presented: string | undefined): Token | undefined {
    return this.#admin.find(presented)
  }

  findCheckToken(presented: string | undefined): Token | undefined {
    return this.#check.find(presented)
  }

  /** The token of a caller that may check: one for checks or for admin calls. `checkFault` says whether it may really spend. */
  findTokenForChecks(presented: string | undefined): Token | undefined {
    return this.#all.find(presented)
  }

  /** Why no check may be made with this token. */
  checkFault({ name, readOnly }: Token): Problem | undefined {
    return readOnly ? new Problem('forbidden', `the token "${name}" may only read; a check spends`) : undefined
  }

  /** Counts an admin call. Resolves with a problem if there are too many with this token or from this address. */
  async countAdminCall({ name }: Token, address: string | undefined): Promise<Problem | undefined> {
    return tooManyCalls(await this.#limits.adminCall(name, clientOf(address)))
  }

  /**
   * Counts a failed login. Returns a problem, or a promise of one, if there are too many from this address or it cannot be counted. Waits
   * for nothing if it is known already that there are too many.
   */
  countFailedLogin(address: string | undefined): Problem | undefined | Promise<Problem | undefined> {
    const waitMs = this.#failedLogins.add(clientOf(address))
    return typeof waitMs === 'number' ? tooManyLogins(waitMs) : waitMs.then(tooManyLogins, problemOnly)
  }
}

function tooManyCalls(waitMs: number): Problem | undefined {
  const detail =
    'this token or this address makes more admin calls than ADMIN_CAPACITY and ADMIN_REFILL_PER_SECOND allow'
  return waitMs === 0 ? undefined : new Problem('admin-limit-exceeded', detail, { headers: retryAfter(waitMs) })
}

function tooManyLogins(waitMs: number): Problem | undefined {
  const detail =
    'too many failed logins from this address; one attempt per second is accepted; valid tokens are never refused'
  return waitMs === 0 ? undefined : new Problem('too-many-failed-logins', detail, { headers: retryAfter(waitMs) })
}

function problemOnly(err: unknown): Problem {
  if (err instanceof Problem) return err
  throw err
}

function retryAfter(waitMs: number): Record<string, string> {
  return { 'retry-after': String(Math.ceil(waitMs / 1000)) }
}
