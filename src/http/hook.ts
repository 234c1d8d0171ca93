import type { onRequestHookHandler } from 'fastify'
import type { Problem } from '../lib/errors.ts'

/** A hook that runs before a body is read. It throws a problem, or passes one to `done`, to end the request. */
export type OnRequest = onRequestHookHandler

export type Done = (problem?: Problem) => void
