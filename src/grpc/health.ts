import type { Method, Responder } from './call.ts'
import type { Status } from './status.ts'
import { MalformedMessage, WireReader } from './wire-reader.ts'
import { WireWriter } from './wire-writer.ts'

const SERVICE = '/grpc.health.v1.Health'
const SERVING = 1
const NOT_SERVING = 2

/** Answers whether the instance serves. @see https://github.com/grpc/grpc/blob/master/doc/health-checking.md */
export class Health {
  readonly #services: ReadonlySet<string>
  readonly #stop: AbortSignal
  readonly #watching = new Set<Responder>()

  /**
   * @param services names that can be asked for, besides the empty one
   * @param stop aborts when the instance stops: not when another process replaces this one, since the client would avoid both
   */
  constructor(services: readonly string[], stop: AbortSignal) {
    this.#services = new Set(['', ...services])
    this.#stop = stop
    stop.addEventListener('abort', () => {
      for (const responder of this.#watching) responder.send(this.#state)
    })
  }

  get methods(): readonly (readonly [path: string, method: Method])[] {
    const check: Method = { name: 'Check', answer: this.#answering(responder => responder.finish(this.#state)) }
    const watch: Method = { name: 'Watch', answer: this.#answering(responder => this.#watch(responder)) }
    return [
      [`${SERVICE}/Check`, check],
      [`${SERVICE}/Watch`, watch],
    ]
  }

  get #state(): Buffer {
    return new WireWriter().number(1, this.#stop.aborted ? NOT_SERVING : SERVING).finish()
  }

  #answering(answer: (responder: Responder) => void): Method['answer'] {
    return (message, responder) => {
      const fault = this.#fault(message)
      if (fault === undefined) answer(responder)
      else responder.end(fault)
    }
  }

  #watch(responder: Responder): void {
    this.#watching.add(responder)
    responder.onClosed(() => this.#watching.delete(responder))
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
