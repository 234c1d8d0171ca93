import { createRequire } from 'node:module'
import { type DestinationStream, type Logger as PinoLogger, pino, stdSerializers, stdTimeFunctions } from 'pino'
import type { PinoPretty } from 'pino-pretty'

export type Logger = PinoLogger

export interface LoggerOptions {
  readonly level: string
  /** Which part of the service logs. */
  readonly role: string
  /** The file descriptor to write to. */
  readonly fd?: number
}

/** JSON lines; on a terminal, lines for people. */
export function createLogger({ level, role, fd = process.stdout.fd }: LoggerOptions): Logger {
  const onTerminal = fd === process.stdout.fd && process.stdout.isTTY
  const destination = onTerminal ? prettyDestination(fd) : pino.destination({ fd, sync: true })
  const base = { role, pid: process.pid }
  return pino({ level, base, timestamp: stdTimeFunctions.isoTime, serializers: { err: withoutCommand } }, destination)
}

/** Errors of ioredis bear the command that failed, and with it callers' keys, or the password of a login. */
function withoutCommand(err: Error): object {
  const { type, message, stack } = stdSerializers.err(err)
  return { type, message, stack, ...('code' in err && { code: err.code }) }
}

/** Loaded only where somebody looks, since every process would pay for it in memory. */
function prettyDestination(fd: number): DestinationStream {
  const { default: pretty } = createRequire(import.meta.url)('pino-pretty') as { default: typeof PinoPretty }
  return pretty({ sync: true, ignore: 'pid,hostname', destination: fd })
}
