import { type Command, Redis, type RedisOptions } from 'ioredis'
import { isDemoted, isReply, replyError } from './failure-reason.ts'
import { followMaster, NewestMasterConnector } from './master-watch.ts'
import { ConnectionLost } from './transient.ts'

/** A line of INFO. */
const IS_LOADING = /^loading:1\r?$/m

/**
 * A connection to one server. ioredis continues in database 0 if the server refuses to select another one, and does not say when it
 * waits for a server that loads its data. Here, a connection whose database is refused never becomes ready, and is tried again. And
 * ioredis forgets the commands of a lost connection that are not to be sent again, if it connects anew at once. Here, they fail.
 * Before it leaves a demoted master, it emits `demoted` with the reply.
 */
export class ServerConnection extends Redis {
  #isDatabaseRefused = false
  /** Whether ioredis would forget commands: it sends nothing twice, but waits for the next connection. */
  readonly #forgetsLost =
    this.options.autoResendUnfulfilledCommands === false && this.options.maxRetriesPerRequest !== 0
  /** Without an answer yet, if it would forget them. */
  readonly #sent = new Set<Command>()
  /** The last stream that was told to close. */
  #closing: Redis['stream'] | undefined

  constructor(options: RedisOptions & { replyMapping?: 'legacy' }) {
    super(options.sentinels ? { ...options, Connector: NewestMasterConnector } : options)
    followMaster(this)
    this.options.reconnectOnError = err => this.#leavesMaster(err)
    if (this.#forgetsLost) this.on('close', () => this.#failSent())
  }

  #leavesMaster(err: Error): boolean {
    if (!isDemoted(err)) return false
    this.emit('demoted', err)
    return true
  }

  /** Each refusal by a demoted master asks for another connection. ioredis would add a listener to the old one each time. */
  override disconnect(reconnect = false): void {
    if (reconnect && this.stream !== undefined && this.stream === this.#closing) return
    this.#closing = this.stream
    super.disconnect(reconnect)
  }

  /** BullMQ duplicates its connection. */
  override duplicate(...[override]: Parameters<Redis['duplicate']>): ReturnType<Redis['duplicate']> {
    const options = { ...this.options, ...override, replyMapping: 'legacy' as const }
    return new ServerConnection(options)
  }

  override sendCommand(...[command, stream]: Parameters<Redis['sendCommand']>): unknown {
    if (command.name === 'select') this.#watchSelect(command)
    if (command.name === 'info' && this.status === 'connect') {
      // The check whether the server is ready. Without an answer it ends with the connection.
      if (this.#isDatabaseRefused) return command.promise
      this.#reportLoading(command)
    }
    if (this.status === 'ready' && this.#forgetsLost) this.#failWhenLost(command)
    return super.sendCommand(command, stream)
  }

  #failWhenLost(command: Command): void {
    this.#sent.add(command)
    const answered = () => this.#sent.delete(command)
    command.promise.then(answered, answered)
  }

  #failSent(): void {
    for (const command of this.#sent)
      command.reject(new ConnectionLost('the connection to Redis was lost before the answer'))
    this.#sent.clear()
  }

  #watchSelect(select: Command): void {
    this.#isDatabaseRefused = false
    select.promise.catch(err => {
      if (!isReply(err)) return
      this.#isDatabaseRefused = true
      this.disconnect(true)
    })
  }

  #reportLoading(info: Command): void {
    info.promise.then(
      text => {
        if (IS_LOADING.test(String(text)))
          this.silentEmit('error', replyError('LOADING Redis is loading the dataset in memory'))
      },
      () => undefined,
    )
  }
}
