import type { Socket } from 'node:net'
import { FewPerTurn } from '../lib/few-per-turn.ts'
import type { Call, Method, Responder } from './call.ts'
import type { Status } from './status.ts'
import { MalformedMessage, WireReader } from './wire-reader.ts'
import { WireWriter } from './wire-writer.ts'

const SERVICE = '/grpc.health.v1.Health'
const SERVING = 1
const NOT_SERVING = 2

/** Calls of `Watch` of one connection: a client has one for each of the two services. */
const MAX_WATCHES = 4

const TOO_MANY_WATCHES: Status = {
  name: 'RESOURCE_EXHAUSTED',
  message: `the connection has ${MAX_WATCHES} calls of Watch already; more are not allowed`,
}

/** Changes of the state that are sent in a turn of the event loop. */
const SENT_PER_TURN = 20

/** Answers whether the instance serves. @see https://github.com/grpc/grpc/blob/master/doc/health-checking.md */
export class Health {
  readonly #services: ReadonlySet<string>
  readonly #stop: AbortSignal
  readonly #watching = new Set<Responder>()
  /** The calls of `Watch` of each connection. */
  readonly #watches = new WeakMap<Socket, number>()
  readonly #sending = new FewPerTurn<Responder>(SENT_PER_TURN)

  /**
   * @param services names that can be asked for, besides the empty one
   * @param stop aborts when the instance stops: not when another process replaces this one, since the client would avoid both
   */
  constructor(services: readonly string[], stop: AbortSignal) {
    this.#services = new Set(['', ...services])
    this.#stop = stop
    stop.addEventListener('abort', () => {
      for (const responder of this.#watching) this.#sending.add(responder, () => responder.send(this.#state))
    })
  }

  get methods(): readonly (readonly [path: string, method: Method])[] {
    const check: Method = { name: 'Check', answer: this.#answering(responder => responder.finish(this.#state)) }
    const watch: Method = { name: 'Watch', answer: this.#answering((responder, call) => this.#watch(responder, call)) }
    return [
      [`${SERVICE}/Check`, check],
      [`${SERVICE}/Watch`, watch],
    ]
  }

  get #state(): Buffer {
    return new WireWriter().number(1, this.#stop.aborted ? NOT_SERVING : SERVING).finish()
  }

  #answering(answer: (responder: Responder, call: Call) => void): Method['answer'] {
    return (message, responder, call) => {
      const fault = this.#fault(message)
      if (fault === undefined) answer(responder, call)
      else responder.end(fault)
    }
  }

  #watch(responder: Responder, { socket }: Call): void {
    const watches = this.#watches.get(socket) ?? 0
    if (watches >= MAX_WATCHES) {
      responder.end(TOO_MANY_WATCHES)
      return
    }
    this.#watches.set(socket, watches + 1)
    this.#watching.add(responder)
    responder.onClosed(() => {
      this.#watching.delete(responder)
      this.#sending.delete(responder)
      this.#watches.set(socket, (this.#watches.get(socket) ?? 1) - 1)
    })
    responder.send(this.#state)
  }

  #fault(message: Buffer): Status | undefined {
    try {
      const service = serviceIn(message)
      if (this.#services.has(service)) return undefined
      return { name: 'NOT_FOUND', message: `no service "${service}"` }
    } catch (err) {
      if (!(err instanceof MalformedMessage)) throw err
      return { name: 'INVALID_ARGUMENT', message: `the message is not a HealthCheckRequest: ${err.message}` }
    }
  }
}

function serviceIn(message: Buffer): string {
  let service = ''
  const reader = new WireReader(message)
  while (reader.next()) {
    if (reader.field === 1) service = reader.bytes().toString()
    else reader.skip()
  }
  return service
}
