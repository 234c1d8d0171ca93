import type { Socket } from 'node:net'
import type { TurnBudget } from '../../lib/turn-budget.ts'
import { CommandBatch } from './command-batch.ts'
import { CommandParser } from './command-parser.ts'
import type { CommandRunner } from './command-runner.ts'
import { ProtocolError } from './protocol-error.ts'
import { Session } from './session.ts'
import type { Words } from './words.ts'

/** Commands of one batch, or what costs as much as they do. Further ones follow once other connections had their turns. */
const MAX_WORK = 256

/** What may cost of a batch besides its checks. Beyond that, the connection waits for a turn: nothing else would slow a flood down. */
const MAX_OTHER_WORK = 32

/** Bytes of a command that cost as much as a short one. */
const BYTES_PER_COMMAND = 1024

/** Bytes of replies after which a batch ends. */
const MAX_BATCH_BYTES = 64 * 1024

/** Bytes of replies that a client may leave unread. */
const MAX_UNREAD_BYTES = 1024 * 1024

/** Replies that are written as text, which is quicker for short ones. */
const MAX_TEXT = 16 * 1024

/** Bytes that are read ahead while commands are under way. */
const MAX_AHEAD_BYTES = 64 * 1024

/** How long a client may take to read its last replies and to close its side, in ms. */
const LINGER_MS = 1_000

export interface RespConnectionOptions {
  readonly runner: CommandRunner
  /** Of all connections, in short commands. */
  readonly budget: TurnBudget
  /** Calls back in the connection's turn once the budget is spent; never if it closes before. */
  waitForBudget(callback: () => void): void
  /** Calls back in the connection's turn among those that send many commands; never if it closes before. */
  waitForTurn(callback: () => void): void
  /** Whether this client has logged in, or need not. */
  isAdmitted(session: Session): boolean
  /** Called with the bytes of commands that are not complete or that wait, and of replies that the client has not read. */
  hold(bytes: number): void
}

/**
 * One connection that speaks RESP. The commands that arrive together are one batch, whose replies are written at once. A connection
 * has one batch under way; what arrives meanwhile waits, at last in the client.
 */
export class RespConnection {
  readonly #socket: Socket
  readonly #options: RespConnectionOptions
  readonly #session: Session
  readonly #parser = new CommandParser()
  #heldBytes = 0
  #isBusy = false
  #wasAnswered = false
  /** Whether more commands may be read from what has arrived. */
  #hasMore = false
  /** Whether it waits for a turn after the batch that is under way. */
  #waitsForTurn = false
  /** The connection ends after the batch that is under way. */
  #isEnding = false
  /** The connection ends as soon as everything is answered. */
  #isDraining = false
  #hasInputEnded = false
  #isDeaf = false

  constructor(socket: Socket, options: RespConnectionOptions) {
    this.#socket = socket
    this.#options = options
    this.#session = new Session(socket.remoteAddress)
  }

  /** Whether the service waits for the rest of a command. */
  get isReceiving(): boolean {
    return !this.#isBusy && this.#parser.heldBytes > 0
  }

  get isIdle(): boolean {
    return !this.#isBusy
  }

  /** Whether the client has sent a command, and has logged in if it must. */
  get isAdmitted(): boolean {
    return this.#wasAnswered && this.#options.isAdmitted(this.#session)
  }

  receive(chunk: Buffer): void {
    if (this.#isDeaf) return
    this.#parser.push(chunk)
    if (this.#isBusy) this.#readAhead()
    else this.#start()
  }

  reportHeld(): void {
    const heldBytes = this.#parser.heldBytes + this.#socket.writableLength
    if (heldBytes === this.#heldBytes || this.#socket.destroyed) return
    this.#heldBytes = heldBytes
    this.#options.hold(heldBytes)
  }

  /** Whoever has sent everything still gets the replies. */
  inputEnded(): void {
    this.#hasInputEnded = true
    if (!this.#isBusy) this.#end()
  }

  /** From now on, the connection ends after a reply, once everything that has arrived is answered. */
  drain(): void {
    this.#isDraining = true
  }

  /** The connection ends now, once everything that has arrived is answered. */
  close(): void {
    this.#isDraining = true
    if (!this.#isBusy) this.#endWhenQuiet()
  }

  /** What arrives from now on is ignored. The connection ends after the replies that are under way. */
  cut(): void {
    this.#isDeaf = true
    this.#isEnding = true
    if (!this.#isBusy) this.#end()
  }

  #readAhead(): void {
    this.#hasMore = true
    this.reportHeld()
    if (this.#parser.heldBytes > MAX_AHEAD_BYTES) this.#socket.pause()
  }

  /** Now, unless all connections together have spent what a turn of the event loop has time for. */
  #start(): void {
    this.#isBusy = true
    if (this.#options.budget.isSpent) {
      this.#readAhead()
      this.#options.waitForBudget(() => this.#startBatch())
    } else this.#startBatch()
  }

  #startBatch(): void {
    if (this.#socket.destroyed) return
    const batch = new CommandBatch(bytes => this.#reply(bytes))
    this.#hasMore = this.#readInto(batch)
    this.#options.budget.spend(batch.work)
    this.#waitsForTurn = this.#hasMore || batch.work - batch.checks.length > MAX_OTHER_WORK
    if (!this.#hasMore || this.#parser.heldBytes === 0) this.#parser.settle()
    this.reportHeld()
    this.#options.runner.decide(batch, this.#session, this.#socket)
    batch.seal()
  }

  /** Runs the complete commands, up to the size of a batch. Returns whether the batch is full. */
  #readInto(batch: CommandBatch): boolean {
    while (batch.work < MAX_WORK && batch.bytes < MAX_BATCH_BYTES) {
      const words = this.#nextCommand(batch)
      batch.spend(Math.floor(this.#parser.takeReadBytes() / BYTES_PER_COMMAND))
      if (words === undefined) return false
      if (words.count === 0) batch.spend(1)
      else if (this.#options.runner.run(words, this.#session, batch)) return this.#endAfterBatch()
    }
    return true
  }

  #nextCommand(batch: CommandBatch): Words | undefined {
    try {
      return this.#parser.next()
    } catch (err) {
      if (!(err instanceof ProtocolError)) throw err
      this.#options.runner.refuse(err, this.#session, batch)
      this.#endAfterBatch()
      return undefined
    }
  }

  #endAfterBatch(): false {
    this.#isEnding = true
    this.#isDeaf = true
    return false
  }

  #reply(bytes: string): void {
    this.#isBusy = false
    const socket = this.#socket
    if (socket.destroyed) return
    if (bytes !== '') {
      this.#wasAnswered = true
      this.#write(bytes)
      this.reportHeld()
    }
    if (socket.writableLength > MAX_UNREAD_BYTES) socket.destroy()
    else if (this.#isEnding) this.#end()
    else if (this.#waitsForTurn) this.#continueInTurn()
    else if (this.#hasMore) this.#continue()
    else this.#rest()
  }

  /** Text that the kernel does not take at once would be in memory twice: as text, and as the bytes that wait to be sent. */
  #write(text: string): void {
    const socket = this.#socket
    if (text.length > MAX_TEXT || socket.writableLength > 0) socket.write(Buffer.from(text, 'latin1'))
    else socket.write(text, 'latin1')
  }

  /** In the next turn of the event loop. */
  #continue(): void {
    this.#isBusy = true
    setImmediate(() => this.#start())
  }

  #continueInTurn(): void {
    this.#isBusy = true
    this.#options.waitForTurn(() => this.#startBatch())
  }

  #rest(): void {
    if (this.#socket.isPaused()) this.#socket.resume()
    if (this.#hasInputEnded) this.#end()
    else if (this.#isDraining) this.#endWhenQuiet()
  }

  /** Ends the connection, unless commands arrived in this turn of the event loop. What was sent before is then read. */
  #endWhenQuiet(): void {
    setImmediate(() => {
      if (!this.#isBusy && this.#parser.heldBytes === 0) this.#end()
    })
  }

  /**
   * Sends everything, and reads and ignores what still comes until the client has closed its side: the kernel would discard replies
   * if the connection closed with unread bytes. What has arrived of a command is not held meanwhile.
   */
  #end(): void {
    const socket = this.#socket
    if (socket.writableEnded) return
    this.#isDeaf = true
    this.#parser.clear()
    this.reportHeld()
    socket.end()
    socket.resume()
    const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref()
    socket.once('close', () => clearTimeout(timer))
  }
}
