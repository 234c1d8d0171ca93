// A process that attacks a service: `node attacker.mjs <port> <attack as JSON>`, until it is ended. See attack.ts.
import { connect } from 'node:net'

const [port, attack] = [Number(process.argv[2]), JSON.parse(process.argv[3] ?? '{}')]
const { connections, head, fill = ['', 0], tail = '', flood } = attack
const { again = false, trickle, reads = true, reopens = false, burst, from, addresses } = attack
const request = Buffer.concat([head, fill[0].repeat(fill[1]), tail].map(part => Buffer.from(part)))
const BURST_INTERVAL_MS = 5_000
/** More at once would overflow the kernel's queue of the listening socket. */
const OPENED_AT_ONCE = 50

/** Those that send bursts. */
const sockets = []

let nextAddress = 0
function localAddress() {
  if (addresses === undefined) return from
  const i = nextAddress++ % addresses
  return `127.1.${Math.floor(i / 250)}.${1 + (i % 250)}`
}

function open() {
  const socket = connect({ host: '127.0.0.1', port, localAddress: localAddress() })
  if (burst !== undefined) sockets.push(socket)
  socket.on('error', () => undefined)
  socket.once('close', () => reopens && setTimeout(open, 20))
  socket.write(request)
  if (!reads) socket.pause()
  else socket.on('data', data => again && data.includes('HTTP/1.1 ') && socket.write(request))
  if (flood !== undefined) sendAlways(socket)
  if (trickle === undefined) return
  const timer = setInterval(() => socket.write(trickle), 1_000)
  socket.once('close', () => clearInterval(timer))
}

function sendAlways(socket) {
  while (socket.writable && socket.write(flood));
  socket.once('drain', () => sendAlways(socket))
}

for (let opened = 0; opened < connections; ) {
  for (let i = 0; i < OPENED_AT_ONCE && opened < connections; i++, opened++) open()
  await new Promise(resolve => setTimeout(resolve, 20))
}

if (burst !== undefined) {
  setInterval(() => {
    for (const socket of sockets) socket.write(burst)
  }, BURST_INTERVAL_MS)
}
