import type { FastifyRequest } from 'fastify'
import { waitForTurn } from '../connections/wait-for-turn.ts'
import { draining } from '../lib/draining.ts'
import { dropWhileClosing } from '../lib/drop-while-closing.ts'
import { Problem } from '../lib/errors.ts'
import { Turns } from '../lib/turns.ts'

interface ResponsePace {
  readonly perSecond: number
  /** Turns that may be taken at once after a rest. */
  readonly burst: number
  /** Requests that may wait. */
  readonly maxWaiting: number
}

/** For responses of up to megabytes that people and monitoring ask for: more than they need, and a second's worth may wait. */
const PACE: ResponsePace = { perSecond: 200, burst: 50, maxWaiting: 200 }

/** Admits requests for expensive responses in turns. */
export class ResponseTurns {
  readonly #turns: Turns
  readonly #maxWaiting: number
  readonly #closing: AbortSignal

  /** @param closing aborts when the process is about to close; requests that wait for long then are refused */
  constructor(closing: AbortSignal, pace = PACE) {
    this.#turns = new Turns(pace)
    this.#maxWaiting = pace.maxWaiting
    this.#closing = closing
    dropWhileClosing(closing, () => this.#turns.dropAll())
  }

  /**
   * Resolves when a request may be processed; never, if its connection closes before.
   * @throws {Problem} `overloaded`, `draining`
   */
  next(request: FastifyRequest): Promise<void> {
    return new Promise((run, reject) => {
      waitForTurn(this.#turns, request, { run, drop: () => reject(this.#refusal()) })
    })
  }

  /**
   * The same for one step of a request that takes many. While the process drains, no further step is taken.
   * @throws as `next`
   */
  async nextStep(request: FastifyRequest): Promise<void> {
    if (this.#closing.aborted) throw this.#refusal()
    await this.next(request)
  }

  #refusal(): Problem {
    if (this.#closing.aborted) return draining()
    return new Problem('overloaded', `more than ${this.#maxWaiting} requests wait for this resource; try again`)
  }
}
