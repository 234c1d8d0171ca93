import { type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino'
import pretty from 'pino-pretty'

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
  const destination = onTerminal
    ? pretty({ sync: true, ignore: 'pid,hostname', destination: fd })
    : pino.destination({ fd, sync: true })
  return pino({ level, base: { role, pid: process.pid }, timestamp: stdTimeFunctions.isoTime }, destination)
}
