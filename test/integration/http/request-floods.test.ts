import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { eventually } from '../../support/eventually.ts'
import { givenApp } from './given-app.ts'

const CONNECTIONS = 200
const PIPELINED = 16
const TOTAL = CONNECTIONS * PIPELINED

/** What the service parses in one turn of the event loop, with the rest of a packet: before connections wait, and then. */
const MAX_PARSED_AT_ONCE = 1_024 + PIPELINED
const MAX_PARSED_LATER = 128 + PIPELINED

const given = givenApp()

const get = 'GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n'
const check = '{"key":"during-a-flood"}'
const checkHead = `POST /check HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${check.length}\r\n\r\n`

interface Client {
  readonly socket: Socket
  received: string
}

/** Requests that the service has begun to parse in each turn of the event loop. */
let turns: number[]
let counting: NodeJS.Immediate
const clients: Client[] = []

function beginTurn(): void {
  turns.push(0)
  counting = setImmediate(beginTurn)
}

function countTurns(): void {
  turns = []
  beginTurn()
}

function countRequest(): void {
  turns.push((turns.pop() ?? 0) + 1)
}

const begun = () => turns.reduce((sum, requests) => sum + requests, 0)

beforeEach(() => {
  turns = []
  subscribe('http.server.request.start', countRequest)
})
afterEach(() => {
  unsubscribe('http.server.request.start', countRequest)
  clearImmediate(counting)
  for (const { socket } of clients.splice(0)) socket.destroy()
})

async function client(localAddress = '127.0.0.1'): Promise<Client> {
  const socket = connect({ port: given.app.port, host: '127.0.0.1', localAddress })
  const opened: Client = { socket, received: '' }
  socket.on('error', () => undefined)
  socket.on('data', data => {
    opened.received += data
  })
  clients.push(opened)
  await once(socket, 'connect')
  return opened
}

const statusesIn = ({ received }: Client) => received.match(/(?<=HTTP\/1\.1 )\d+/g) ?? []

/** Clients whose connections the service has read from before. */
async function knownClients(): Promise<Client[]> {
  const known = await Promise.all(Array.from({ length: CONNECTIONS }, () => client()))
  for (const each of known) {
    each.socket.write(get)
    await once(each.socket, 'data')
    each.received = ''
  }
  return known
}

it('pipelined requests that arrive together are parsed in turns, and all are answered', async () => {
  const flood = await knownClients()
  countTurns()
  for (const { socket } of flood) socket.write(get.repeat(PIPELINED))
  const answers = Array.from({ length: PIPELINED }, () => '404')
  await eventually(() => expect(flood.map(statusesIn)).toEqual(flood.map(() => answers)))
  const [first = 0, ...later] = turns.filter(requests => requests > 0)
  expect(first).toBeLessThanOrEqual(MAX_PARSED_AT_ONCE)
  expect(Math.max(...later)).toBeLessThanOrEqual(MAX_PARSED_LATER)
  expect(begun()).toBe(TOTAL)
})

it('a client of another address is answered before the pipelined requests are parsed', async () => {
  const flood = await knownClients()
  const [other, sender] = [await client('127.0.0.2'), await client('127.0.0.2')]
  countTurns()
  sender.socket.write(checkHead)
  await eventually(() => expect(begun()).toBe(1))
  for (const { socket } of flood) socket.write(get.repeat(PIPELINED))
  other.socket.write(get)
  sender.socket.write(check)
  await once(other.socket, 'data')
  expect(statusesIn(other)).toEqual(['404'])
  expect(begun()).toBeLessThan(TOTAL)
  await eventually(() => expect(statusesIn(sender)).toEqual(['200']))
})
