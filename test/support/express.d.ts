/** What the documents use of Express, as strict as @types/express 5.0.6. These types are not installed. */
import type { IncomingMessage, ServerResponse } from 'node:http'

declare function express(): express.Express

declare namespace express {
  interface Request extends IncomingMessage {
    readonly ip: string | undefined
    readonly hostname: string
    readonly path: string
    originalUrl: string
    params: { [name: string]: string | string[] }
    query: Query
    // biome-ignore lint/suspicious/noExplicitAny: as in @types/express
    body: any
    get(name: 'set-cookie'): string[] | undefined
    get(name: string): string | undefined
  }

  interface Query {
    [name: string]: undefined | string | Query | (string | Query)[]
  }

  interface Response extends ServerResponse {
    status(code: number): this
    set(field: object): this
    set(field: string, value?: string | string[]): this
    json(body?: unknown): this
    send(body?: unknown): this
  }

  type NextFunction = (err?: unknown) => void

  type RequestHandler = (request: Request, response: Response, next: NextFunction) => unknown

  interface Express {
    use(...handlers: RequestHandler[]): this
    get(path: string, ...handlers: RequestHandler[]): this
    post(path: string, ...handlers: RequestHandler[]): this
  }

  function json(): RequestHandler
}

export = express
