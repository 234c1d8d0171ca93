import type { Redis } from 'ioredis'
import type { Announcement, Announcements } from '../../config-change/log-ports.ts'
import type { CommandResult } from '../../domain/outcome.ts'
import { isReply } from '../connection/failure-reason.ts'
import { announcementChannel } from '../keys.ts'
import { parseResult } from './result-json.ts'

type Listener = Parameters<Announcements['subscribe']>[0]

/** Ping interval, in ms. A subscriber only receives, so without pings it cannot tell a hung server from a quiet one. */
const PING_INTERVAL_MS = 1_000

/** Announcements over Redis pub/sub, which delivers each at most once. */
export class RedisAnnouncements implements Announcements {
  readonly #subscriber: Redis
  readonly #channel: string
  readonly #onSubscribed: (refusal: string | undefined) => void
  #isSubscribed = false

  /**
   * @param subscriber a connection for this alone, since pub/sub takes it over; it reconnects when a ping is not answered
   * @param onSubscribed called after each attempt to subscribe, with Redis' error if the user may not
   */
  constructor(subscriber: Redis, keyPrefix: string, onSubscribed: (refusal: string | undefined) => void) {
    this.#subscriber = subscriber
    this.#channel = announcementChannel(keyPrefix)
    this.#onSubscribed = onSubscribed
  }

  subscribe(listener: Listener): void {
    this.#subscriber.on('message', (_channel, message) => {
      const announcement = parse(message)
      if (announcement !== undefined) listener.announced(announcement)
    })
    this.#subscriber.on('close', () => {
      this.#isSubscribed = false
    })
    this.#subscriber.on('ready', () => void this.#subscribe(listener))
    const timer = setInterval(() => void this.#keepSubscribed(listener), PING_INTERVAL_MS).unref()
    this.#subscriber.on('end', () => clearInterval(timer))
  }

  /** A refused subscription is tried again, since the user may be given the right meanwhile. */
  async #keepSubscribed(listener: Listener): Promise<void> {
    if (this.#subscriber.status !== 'ready') return
    if (this.#isSubscribed) await this.#subscriber.ping().catch(() => undefined)
    else await this.#subscribe(listener)
  }

  async #subscribe(listener: Listener): Promise<void> {
    try {
      await this.#subscriber.subscribe(this.#channel)
    } catch (err) {
      if (isReply(err)) this.#onSubscribed(err.message)
      return
    }
    this.#isSubscribed = true
    this.#onSubscribed(undefined)
    listener.reconnected()
  }
}

/** The format of `lua/append.lua`: `<partition> <position> <outcome as JSON>`. */
const MESSAGE = /^(?<partition>\d+) \d+ (?<result>.*)$/s

/** `undefined` for a message of another program. */
function parse(message: string): Announcement | undefined {
  const { partition, result } = MESSAGE.exec(message)?.groups ?? {}
  if (partition === undefined) return undefined
  try {
    return { partition: Number(partition), ...(result && parseAnnounced(result)) }
  } catch {
    return undefined
  }
}

/** An outcome that was traced has one member more than its record. */
function parseAnnounced(json: string): Pick<Announcement, 'result' | 'traceparent'> {
  const { traceparent, ...result } = parseResult<CommandResult>(json) as CommandResult & { traceparent?: unknown }
  return { result, ...(typeof traceparent === 'string' && { traceparent }) }
}
