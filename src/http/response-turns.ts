import type { FastifyRequest } from 'fastify'
import { waitForTurn } from '../connections/wait-for-turn.ts'
import { Problem } from '../lib/errors.ts'
import { Turns } from '../lib/turns.ts'
import { draining } from './draining.ts'

/** For responses of up to megabytes that people and monitoring ask for: more than they need, and a second's worth may wait. */
const PACE = { perSecond: 200, burst: 50, maxWaiting: 200 }

/** Admits the requests for large responses in turns. */
export class ResponseTurns {
  readonly #turns = new Turns(PACE)
  readonly #drain: AbortSignal

  /** @param drain aborts when the process begins to drain; requests that wait then are refused, since they would delay its stop */
  constructor(drain: AbortSignal) {
    this.#drain = drain
    drain.addEventListener('abort', () => this.#turns.dropAll())
  }

  /**
   * Resolves when a request may be answered; never, if its connection closes before.
   * @throws {Problem} `overloaded`, `draining`
   */
  next(request: FastifyRequest): Promise<void> {
    return new Promise((run, reject) => {
      waitForTurn(this.#turns, request, { run, drop: () => reject(this.#refusal()) })
    })
  }

  #refusal(): Problem {
    if (this.#drain.aborted) return draining()
    return new Problem('overloaded', `more than ${PACE.maxWaiting} requests wait for this resource; try again`)
  }
}
