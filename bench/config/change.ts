/** Sends changes to the service without waiting for their outcome. */
import { Agent, request } from 'node:http'

const agent = new Agent({ keepAlive: true, maxSockets: 64 })

/** Resolves once the change is accepted. */
export function putPolicy(port: number, key: string, capacity: number): Promise<void> {
  const body = JSON.stringify({ capacity, refillTokens: 1, mode: 'off' })
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', agent, method: 'PUT', path: `/config/${key}`, headers }, answer => {
      answer.resume()
      if (answer.statusCode === 202) answer.on('end', resolve)
      else reject(new Error(`a change was answered with ${answer.statusCode}`))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
