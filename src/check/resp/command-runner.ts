import type { Socket } from 'node:net'
import { overloaded } from '../../access/overload.ts'
import { Problem } from '../../lib/errors.ts'
import { type CallLog, isSlow } from '../../observability/call-log.ts'
import type { BatchTurns } from '../batch-turns.ts'
import type { CheckResult, OnResult } from '../pending-check.ts'
import type { CheckCommand, Command, CommandResult } from './command.ts'
import type { CommandBatch } from './command-batch.ts'
import type { CommandTable } from './command-table.ts'
import { QUIT } from './commands/connection.ts'
import { HttpRequest } from './http-request.ts'
import type { ProtocolError } from './protocol-error.ts'
import { error, problemReply } from './replies.ts'
import type { Session } from './session.ts'
import type { Words } from './words.ts'

const HTTP_REQUEST = 'an HTTP request was sent to RESP_PORT, perhaps by a page in a browser; its connection is closed'

/** The name under which commands are counted that do not exist. */
const UNKNOWN = 'unknown'

/** Counts what clients send. */
export interface RespObserver {
  /** @param command in lower case; `unknown` if there is no such command */
  commandAnswered(command: string, isError: boolean): void
}

/** Decides the checks of commands: one, or several in order. */
export interface CommandChecker {
  weigh(asked: readonly CheckCommand[]): number
  check(asked: CheckCommand, onResult: OnResult): void
  checkAll(asked: readonly CheckCommand[], onResult: OnResult): void
}

export interface CommandRunnerOptions {
  readonly table: CommandTable
  readonly checker: CommandChecker
  readonly batchTurns: BatchTurns
  /** Whether the process is overloaded. */
  readonly isOverloaded: () => boolean
  readonly calls: CallLog
  readonly observer: RespObserver
}

/** Runs the commands of a connection: others at once, and the checks of a batch together. */
export class CommandRunner {
  readonly #options: CommandRunnerOptions

  constructor(options: CommandRunnerOptions) {
    this.#options = options
  }

  /** Adds a command to a batch. Returns whether it ends the connection. */
  run(words: Words, session: Session, batch: CommandBatch): boolean {
    const command = this.#options.table.find(words)
    batch.spend(command?.work ?? 1)
    const result = this.#resultOf(command, words, session)
    if (typeof result === 'string') {
      batch.add(result)
      this.#answered(command?.name, result, session)
    } else if (result instanceof Promise) void this.#await(result, command?.name, session, batch)
    else batch.addCheck(result)
    return command === QUIT
  }

  /** Adds the reply to input that is not a command. */
  refuse(err: ProtocolError, { address }: Session, batch: CommandBatch): void {
    batch.add(error(`ERR Protocol error: ${err.message}`))
    if (err instanceof HttpRequest)
      this.#options.calls.wrongProtocol(HTTP_REQUEST, () => ({ protocol: 'resp', address }))
  }

  /** Decides the checks of a batch. */
  decide(batch: CommandBatch, session: Session, socket: Socket): void {
    const { checks } = batch
    if (checks.length === 0) return
    const onResult: OnResult = (result, tookMs, index) =>
      this.#complete(batch, checks[index] as CheckCommand, result, tookMs, session)
    if (this.#options.isOverloaded()) refuse(checks, overloaded(), onResult)
    else if (checks.length === 1) this.#options.checker.check(checks[0] as CheckCommand, onResult)
    else this.#decideInTurn(checks, { socket, ip: session.address }, onResult)
  }

  #decideInTurn(checks: readonly CheckCommand[], client: Parameters<BatchTurns['next']>[0], onResult: OnResult): void {
    const { batchTurns, checker } = this.#options
    const weight = checker.weigh(checks)
    let left = checks.length
    const decide = () =>
      checker.checkAll(checks, (result, tookMs, index) => {
        left--
        if (left === 0) batchTurns.end(weight)
        onResult(result, tookMs, index)
      })
    const turn = batchTurns.next(client, { checks: checks.length, weight })
    if (turn === undefined) decide()
    else turn.then(decide, (problem: Problem) => refuse(checks, problem, onResult))
  }

  #resultOf(command: Command | undefined, words: Words, session: Session): CommandResult {
    try {
      return this.#options.table.run(command, words, session)
    } catch (err) {
      return this.#internal(err, command?.name, session)
    }
  }

  async #await(result: Promise<string>, name: string | undefined, session: Session, batch: CommandBatch) {
    const place = batch.reserve()
    const reply = await result.catch(err => this.#internal(err, name, session))
    this.#answered(name, reply, session)
    batch.fill(place, reply)
  }

  #complete(batch: CommandBatch, check: CheckCommand, result: CheckResult, tookMs: number, session: Session): void {
    const { calls, observer } = this.#options
    const isProblem = result instanceof Problem
    observer.commandAnswered(check.command, isProblem)
    if (isProblem || isSlow(tookMs) || calls.isVerbose) this.#log(check, result, tookMs, session)
    batch.fill(check.place, isProblem ? problemReply(result) : check.replyTo(result))
  }

  #log({ command, key }: CheckCommand, result: CheckResult, tookMs: number, session: Session): void {
    const { calls } = this.#options
    const line = () => ({ ...lineOf(command, session), key: calls.loggedKey(key) })
    if (result instanceof Problem && result.status >= 500) calls.failed('check', result, line)
    if (isSlow(tookMs)) calls.slow(tookMs, line)
    if (calls.isVerbose) calls.ended('debug', 'check', 'command', tookMs, line)
  }

  #answered(name = UNKNOWN, reply: string, session: Session): void {
    const { calls, observer } = this.#options
    observer.commandAnswered(name, reply.startsWith('-'))
    if (calls.isVerbose) calls.ended('debug', 'other', 'command', 0, () => lineOf(name, session))
  }

  /** Reports a bug, of which the client gets no details. */
  #internal(cause: unknown, name = UNKNOWN, session: Session): string {
    const problem = new Problem('internal', 'the service could not answer; its log has the reason', { cause })
    this.#options.calls.failed('other', problem, () => lineOf(name, session))
    return problemReply(problem)
  }
}

function refuse(checks: readonly CheckCommand[], problem: Problem, onResult: OnResult): void {
  for (let index = 0; index < checks.length; index++) onResult(problem, 0, index)
}

function lineOf(command: string, { actor = 'anonymous', address }: Session) {
  return { protocol: 'resp', command, actor, address }
}
