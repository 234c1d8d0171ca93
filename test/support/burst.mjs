// A process that sends requests at the same moment, each on a connection of its own: `node burst.mjs <url> <requests>`. Prints the statuses of
// the answers and how many there were of each, as JSON.
import { once } from 'node:events'
import { connect } from 'node:net'
import { buffer } from 'node:stream/consumers'

const [url, requests] = [new URL(process.argv[2]), Number(process.argv[3])]
/** More at once would overflow the kernel's queue of the listening socket. */
const OPENED_AT_ONCE = 50

const sockets = []
while (sockets.length < requests) {
  const opened = Array.from({ length: OPENED_AT_ONCE }, () => connect(Number(url.port), url.hostname))
  await Promise.all(opened.map(socket => once(socket, 'connect')))
  sockets.push(...opened)
}

const statuses = await Promise.all(
  sockets.map(async socket => {
    socket.write(`GET / HTTP/1.1\r\nhost: ${url.host}\r\nconnection: close\r\n\r\n`)
    const answer = await buffer(socket).catch(({ code }) => Buffer.from(`HTTP/1.1 ${code}`))
    return answer.toString('latin1').slice(9, 12)
  }),
)
const counts = {}
for (const status of statuses) counts[status] = (counts[status] ?? 0) + 1
process.stdout.write(JSON.stringify(counts))
