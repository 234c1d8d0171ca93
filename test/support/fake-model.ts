import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

/** What requests name to be refused. */
export const UNKNOWN_MODEL = 'unknown'

/** A model whose answers are streamed as the test says, in the format of OpenAI's chat completions. */
export class FakeModel {
  readonly #server = createServer((request, response) => {
    void this.#answer(request, response)
  })

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { model } = (await json(request)) as { model?: string }
    if (model === UNKNOWN_MODEL) {
      response.writeHead(404).end()
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    this.#server.emit('answer', response)
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return this
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Resolves with the next answer, which is still empty. */
  async nextAnswer(): Promise<ServerResponse> {
    const [answer] = (await once(this.#server, 'answer')) as [ServerResponse]
    return answer
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** Writes a part of an answer. */
export function say(answer: ServerResponse, content: string): void {
  answer.write(`data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`)
}

/** Ends an answer with what it cost. */
export function finish(answer: ServerResponse, totalTokens: number): void {
  answer.end(`data: ${JSON.stringify({ choices: [], usage: { total_tokens: totalTokens } })}\n\ndata: [DONE]\n\n`)
}
