import type { Redis } from 'ioredis'
import type { Announcement, Announcements } from '../../config-change/log-ports.ts'
import { announcementChannel } from '../keys.ts'
import { parseResult } from './result-json.ts'

/** Ping interval, in ms. A subscriber only receives, so without pings it cannot tell a hung server from a quiet one. */
const PING_INTERVAL_MS = 1_000

/** Announcements over Redis pub/sub, which delivers each at most once. */
export class RedisAnnouncements implements Announcements {
  readonly #subscriber: Redis
  readonly #channel: string

  /** @param subscriber a connection for this alone, since pub/sub takes it over; it reconnects when a ping is not answered */
  constructor(subscriber: Redis, keyPrefix: string) {
    this.#subscriber = subscriber
    this.#channel = announcementChannel(keyPrefix)
  }

  subscribe(listener: Parameters<Announcements['subscribe']>[0]): void {
    this.#subscriber.on('message', (_channel, message) => {
      const announcement = parse(message)
      if (announcement !== undefined) listener.announced(announcement)
    })
    this.#subscriber.on('ready', () => {
      // ioredis restores earlier subscriptions itself; subscribing again tells when that is done.
      this.#subscriber.subscribe(this.#channel).then(
        () => listener.reconnected(),
        () => undefined,
      )
    })
    const ping = setInterval(() => this.#ping(), PING_INTERVAL_MS).unref()
    this.#subscriber.on('end', () => clearInterval(ping))
  }

  #ping(): void {
    if (this.#subscriber.status === 'ready') this.#subscriber.ping().catch(() => undefined)
  }
}

/** The format of `lua/append.lua`: `<partition> <position> <outcome as JSON>`. */
const MESSAGE = /^(?<partition>\d+) \d+ (?<result>.*)$/s

/** `undefined` for a message of another program. */
function parse(message: string): Announcement | undefined {
  const { partition, result } = MESSAGE.exec(message)?.groups ?? {}
  if (partition === undefined) return undefined
  try {
    return { partition: Number(partition), ...(result && { result: parseResult(result) }) }
  } catch {
    return undefined
  }
}
