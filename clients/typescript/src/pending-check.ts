import type { Check, CheckOptions, Decision } from './decision.ts'
import { timeout } from './http-service.ts'

/** The service refuses longer keys and names. They have at least as many bytes of UTF-8 as characters. */
const MAX_KEY_LENGTH = 256

/** A check that was asked. Its timeout counts from now, wherever it waits. */
export class PendingCheck implements Check {
  readonly key: string
  readonly tokens: number
  readonly policy: string | undefined
  /** By `performance.now()`. */
  readonly askedAtMs = performance.now()
  readonly deadlineMs: number
  readonly decision: Promise<Decision>
  readonly #resolve: (decision: Decision) => void
  readonly #reject: (failure: unknown) => void
  readonly #timer: NodeJS.Timeout
  #isSettled = false

  constructor(key: string, { tokens, policy }: CheckOptions, timeoutMs: number) {
    this.key = key
    this.tokens = tokens ?? 1
    this.policy = policy
    this.deadlineMs = this.askedAtMs + timeoutMs
    const { promise, resolve, reject } = withResolvers<Decision>()
    this.decision = promise
    this.#resolve = resolve
    this.#reject = reject
    this.#timer = setTimeout(() => this.fail(timeout(timeoutMs)), timeoutMs)
  }

  get isSettled(): boolean {
    return this.#isSettled
  }

  /** Whether it has a place in a batch: its size is bounded, and it can be written as JSON. */
  get isShareable(): boolean {
    return isShort(this.key) && (this.policy === undefined || isShort(this.policy)) && Number.isInteger(this.tokens)
  }

  succeed(decision: Decision): void {
    this.#end()
    this.#resolve(decision)
  }

  fail(failure: unknown): void {
    this.#end()
    this.#reject(failure)
  }

  #end(): void {
    this.#isSettled = true
    clearTimeout(this.#timer)
  }
}

function isShort(text: unknown): boolean {
  return typeof text === 'string' && text.length <= MAX_KEY_LENGTH
}

function withResolvers<T>() {
  let resolve: (value: T) => void = () => undefined
  let reject: (failure: unknown) => void = () => undefined
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
