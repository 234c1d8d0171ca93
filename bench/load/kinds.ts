/** What each kind of request is, and how it is sent. */

import {
  BATCH_SIZE,
  DESCRIPTOR_DOMAIN,
  DESCRIPTOR_KEY,
  GROUP_SIZE,
  HELD_KEYS,
  heldKey,
  KEYS,
  PIPELINE_SIZE,
  randomKey,
} from './keys.ts'
import type { RawRequestKind } from './messages.ts'
import type { Open } from './protocols/connection.ts'
import { GrpcConnection, GrpcSocket } from './protocols/grpc-connection.ts'
import { field, grpcMessage, integerField } from './protocols/grpc-message.ts'
import { HttpConnection } from './protocols/http-connection.ts'
import { post } from './protocols/http-request.ts'
import { ReservationConnection } from './protocols/reservation-connection.ts'
import { RespConnection } from './protocols/resp-connection.ts'

interface Kind {
  /** Every request, ready to be written. */
  readonly requests: () => readonly Buffer[]
  readonly open: Open
  /** In a closed loop. */
  readonly connections: number
}

const BATCHES = 500

/** So many batches have 1,600 checks under way. With 64, checks would wait longer than their timeout on a slow machine. */
const BATCH_CONNECTIONS = 16
const CONNECTIONS = 64
const PIPELINE_CONNECTIONS = 8
/** Calls that share a socket. */
const GRPC_CALLS = 8

/** More than is left of any bucket after the first such check: every later one is denied. */
const WHOLE_CAPACITY = 1_000_000

/** The limit that the peers are asked for: that of the service's policy. */
const LIMIT = 1_000_000
const PERIOD_SECONDS = 1_000_000
const MS = 1_000

const http: Open = (port, answered) => new HttpConnection(port, answered)
const single = { open: http, connections: CONNECTIONS }

/** A plain check has no such field. */
const UNUSUAL_FIELD = 'Content-Encoding: identity'

/** What a reservation holds, and what its work costs. */
const ESTIMATE = 4
const ACTUAL_COST = 3

const forEachKey = (request: (key: string, index: number) => Buffer) => () =>
  Array.from({ length: KEYS }, (_, i) => request(`user:${i}`, i))
/** The keys of a group. */
const neighbours = (index: number) => Array.from({ length: GROUP_SIZE }, (_, i) => `user:${(index + i) % KEYS}`)
const inBatches =
  (request: (keys: readonly string[]) => Buffer, size = BATCH_SIZE) =>
  () =>
    Array.from({ length: BATCHES }, () => request(Array.from({ length: size }, randomKey)))

const command = (words: readonly string[]) =>
  Buffer.from(`*${words.length}\r\n${words.map(word => `$${word.length}\r\n${word}\r\n`).join('')}`)

/** THROTTLE.CHECK answers an array of five integers and two strings: ten lines. */
const CHECK_LINES = 10
const throttleCheck = (key: string) => command(['THROTTLE.CHECK', key])

/** THROTTLE answers an array of five integers: six lines. */
const THROTTLE_LINES = 6
const throttle = (key: string) => command(['THROTTLE', key, String(LIMIT), String(LIMIT), String(PERIOD_SECONDS), '1'])

/** `pb.gubernator.RateLimitReq`, token bucket. */
const gubernatorLimit = (key: string) =>
  field(
    1,
    Buffer.concat([
      field(1, 'bench'),
      field(2, key),
      integerField(3, 1),
      integerField(4, LIMIT),
      integerField(5, PERIOD_SECONDS * MS),
    ]),
  )

/** `envoy.service.ratelimit.v3.RateLimitRequest`, its descriptors. */
const descriptor = (key: string) => field(2, field(1, Buffer.concat([field(1, DESCRIPTOR_KEY), field(2, key)])))
const rateLimitRequest = (keys: readonly string[]) => grpcMessage(field(1, DESCRIPTOR_DOMAIN), ...keys.map(descriptor))

export const KINDS: Readonly<Record<RawRequestKind, Kind>> = {
  single: { ...single, requests: forEachKey(key => post('/check', { key, tokens: 1 })) },
  unusual: { ...single, requests: forEachKey(key => post('/check', { key, tokens: 1 }, [UNUSUAL_FIELD])) },
  batch: {
    open: http,
    connections: BATCH_CONNECTIONS,
    requests: inBatches(keys => post('/check/batch', { checks: keys.map(key => ({ key, tokens: 1 })) })),
  },
  denied: { ...single, requests: () => [post('/check', { key: 'flood', tokens: WHOLE_CAPACITY })] },
  group: {
    ...single,
    requests: forEachKey((_, i) => post('/check/all', { checks: neighbours(i).map(key => ({ key })) })),
  },
  reservation: {
    connections: CONNECTIONS,
    open: (port, answered) => new ReservationConnection(port, answered, ACTUAL_COST),
    requests: forEachKey(key => post('/reservations', { key, tokens: ESTIMATE })),
  },
  held: {
    ...single,
    requests: () => Array.from({ length: HELD_KEYS }, (_, i) => post('/check', { key: heldKey(i), tokens: 1 })),
  },
  resp: {
    connections: CONNECTIONS,
    open: (port, answered) => new RespConnection(port, answered, CHECK_LINES),
    requests: forEachKey(throttleCheck),
  },
  'resp-pipelines': {
    connections: PIPELINE_CONNECTIONS,
    open: (port, answered) => new RespConnection(port, answered, PIPELINE_SIZE * CHECK_LINES),
    requests: inBatches(keys => Buffer.concat(keys.map(throttleCheck)), PIPELINE_SIZE),
  },
  'throttlecrab-http': {
    ...single,
    requests: forEachKey(key =>
      post('/throttle', { key, max_burst: LIMIT, count_per_period: LIMIT, period: PERIOD_SECONDS, quantity: 1 }),
    ),
  },
  'throttlecrab-resp': {
    connections: CONNECTIONS,
    open: (port, answered) => new RespConnection(port, answered, THROTTLE_LINES),
    requests: forEachKey(throttle),
  },
  'throttlecrab-pipelines': {
    connections: BATCH_CONNECTIONS,
    open: (port, answered) => new RespConnection(port, answered, BATCH_SIZE * THROTTLE_LINES),
    requests: inBatches(keys => Buffer.concat(keys.map(throttle))),
  },
  'gubernator-grpc': {
    connections: CONNECTIONS,
    open: grpc('/pb.gubernator.V1/GetRateLimits'),
    requests: forEachKey(key => grpcMessage(gubernatorLimit(key))),
  },
  'gubernator-batches': {
    connections: BATCH_CONNECTIONS,
    open: grpc('/pb.gubernator.V1/GetRateLimits'),
    requests: inBatches(keys => grpcMessage(...keys.map(gubernatorLimit))),
  },
  'ratelimit-grpc': {
    connections: CONNECTIONS,
    open: grpc('/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit'),
    requests: forEachKey(key => rateLimitRequest([key])),
  },
  'ratelimit-batches': {
    connections: BATCH_CONNECTIONS,
    open: grpc('/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit'),
    requests: inBatches(rateLimitRequest),
  },
}

function grpc(path: string): Open {
  let socket: GrpcSocket
  return (port, answered, index) => {
    if (index % GRPC_CALLS === 0) socket = new GrpcSocket(port, path)
    return new GrpcConnection(socket, answered)
  }
}
