import type { Redis } from 'ioredis'
import type { Announcement, Announcements } from '../config-change/ports.ts'
import type { Ending } from '../domain/outcome.ts'
import { announcementChannel } from './keys.ts'

/** A server that hangs leaves a subscriber that only listens in the belief that nothing happens, so it is asked this often, ms. */
const PING_INTERVAL_MS = 1_000

/** Announcements over Redis pub/sub, which delivers each at most once. */
export class RedisAnnouncements implements Announcements {
  readonly #subscriber: Redis
  readonly #channel: string

  /** @param subscriber a connection of its own, as pub/sub takes it over; it drops itself where it is left without an answer */
  constructor(subscriber: Redis, keyPrefix: string) {
    this.#subscriber = subscriber
    this.#channel = announcementChannel(keyPrefix)
  }

  subscribe(listener: Parameters<Announcements['subscribe']>[0]): void {
    this.#subscriber.on('message', (_channel, message) => listener.announced(parse(message)))
    this.#subscriber.on('ready', () => {
      // ioredis subscribes again by itself where it had been subscribed before.
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

/** `<partition> <position> <ending as JSON>`, as `lua/append.lua` publishes it; nothing behind the position of a step. */
function parse(message: string): Announcement {
  const first = message.indexOf(' ')
  const second = message.indexOf(' ', first + 1)
  const json = message.slice(second + 1)
  return {
    partition: Number(message.slice(0, first)),
    position: Number(message.slice(first + 1, second)),
    ...(json !== '' && { ending: JSON.parse(json) as Ending }),
  }
}
