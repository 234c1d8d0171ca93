import { createRequire } from 'node:module'
import { type DestinationStream, type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino'
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
  return pino({ level, base: { role, pid: process.pid }, timestamp: stdTimeFunctions.isoTime }, destination)
}

/** Loaded only where somebody looks, since every process would pay for it in memory. */
function prettyDestination(fd: number): DestinationStream {
  const { default: pretty } = createRequire(import.meta.url)('pino-pretty') as { default: typeof PinoPretty }
  return pretty({ sync: true, ignore: 'pid,hostname', destination: fd })
}
