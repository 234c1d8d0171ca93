import type { onRequestHookHandler } from 'fastify'
import type { Problem } from '../lib/errors.ts'

/** What is done before a body is read. It throws a problem, or is done with one, where a request goes no further. */
export type OnRequest = onRequestHookHandler

export type Done = (problem?: Problem) => void
