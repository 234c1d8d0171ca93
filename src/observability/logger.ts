import { createRequire } from 'node:module'
import { type Logger as PinoLogger, type LoggerOptions as PinoOptions, pino, stdTimeFunctions } from 'pino'
import type { PinoPretty } from 'pino-pretty'
import { withoutArguments } from '../lib/without-arguments.ts'
import { LogStream } from './log-stream.ts'

export type Logger = PinoLogger

export interface LoggerOptions {
  readonly level: string
  /** Which part of the service logs. */
  readonly role: string
  /** The file descriptor to write to. */
  readonly fd?: number
}

/** Keeps secrets out of every line: tokens, and the arguments of Redis commands, which contain callers' keys. */
export const safety = {
  redact: { paths: ['authorization', '*.authorization', '*.headers.authorization'], censor: '[redacted]' },
  serializers: { err: errorFields },
} satisfies PinoOptions

function errorFields(err: unknown): unknown {
  if (!(err instanceof Error)) return err
  const { type, message, stack, code } = pino.stdSerializers.err(err)
  const command = (err as { command?: { name?: string } }).command?.name
  return { type, message: withoutArguments(message), stack: withoutArguments(stack), code, command }
}

/** Logs JSON lines; on a terminal, readable lines. */
export function createLogger({ level, role, fd = process.stdout.fd }: LoggerOptions): Logger {
  const stream = new LogStream(fd, dropped => {
    logger.warn({ suppressed: dropped }, 'log lines were dropped: the log could not be written')
  })
  const onTerminal = fd === process.stdout.fd && process.stdout.isTTY
  const format = onTerminal ? prettyFormat() : (line: string) => line
  const destination = { write: (line: string) => stream.write(controlsEscaped(format(line))) }
  const options = { ...safety, level, base: { role, pid: process.pid }, timestamp: stdTimeFunctions.isoTime }
  const logger = pino(options, destination)
  return logger
}

/** Loaded only on a terminal, since it costs memory in every process. */
function prettyFormat(): (line: string) => string {
  const { prettyFactory } = createRequire(import.meta.url)('pino-pretty') as typeof PinoPretty
  return prettyFactory({ ignore: 'pid,hostname' })
}

/** Characters that JSON does not escape, and that a terminal may obey: DEL, C1 controls, line separators, and controls of text direction. */
const CONTROLS = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** The line with these characters escaped, as JSON can have them. Callers can put them into keys and paths. */
function controlsEscaped(line: string): string {
  return line.replace(CONTROLS, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
