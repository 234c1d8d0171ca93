import type { FastifyRequest } from 'fastify'
import type { Problem } from '../lib/errors.ts'
import type { Access } from './auth.ts'

/** What the answer to a check needs of a Fastify reply. */
export interface Reply {
  code(status: number): Reply
  header(name: string, value: string): Reply
  headers(fields: Readonly<Record<string, string>>): Reply
  send(payload: string | Buffer | Problem): Reply
}

/** What logs and problems need of a Fastify request. */
export interface LoggedRequest
  extends Pick<FastifyRequest, 'id' | 'method' | 'actor' | 'isOperator' | 'ip' | 'params' | 'body' | 'query'> {
  readonly routeOptions: {
    readonly url?: string | undefined
    readonly config: { readonly access?: Access | undefined }
  }
}
