import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../src/processes/free-port.ts'
import { blocksUnder } from './documents.ts'
import { eventually } from './eventually.ts'
import { replaceAll } from './recipe.ts'

const ENDPOINT = /\{ endpoint: \{ address: .*8081 \} \} \} \}/

/** The real Envoy, configured as the documents say, in front of an application that answers everything. */
export class Envoy {
  readonly url: string
  readonly #adminUrl: string
  readonly #process: ChildProcess
  readonly #application: Server
  readonly #directory: string

  private constructor(
    ports: { listen: number; admin: number },
    parts: { process: ChildProcess; application: Server; directory: string },
  ) {
    this.url = `http://127.0.0.1:${ports.listen}`
    this.#adminUrl = `http://127.0.0.1:${ports.admin}`
    this.#process = parts.process
    this.#application = parts.application
    this.#directory = parts.directory
  }

  /** @param grpcPorts those of the instances of the service */
  static async start(grpcPorts: readonly number[]): Promise<Envoy> {
    const application = createServer((_request, response) => response.end('hello'))
    await once(application.listen(0, '127.0.0.1'), 'listening')
    const [listen, admin] = [await freePort('127.0.0.1'), await freePort('127.0.0.1')]
    const [recipe = ''] = blocksUnder('docs/protocols.md', '### Envoy', 'yaml')
    const [endpoint = ''] = ENDPOINT.exec(recipe) ?? []
    const endpoints = grpcPorts.map(port => endpoint.replace('8081', String(port))).join(', ')
    const config = replaceAll(recipe, {
      'port_value: 10000': `port_value: ${listen}`,
      'port_value: 3000': `port_value: ${(application.address() as AddressInfo).port}`,
      [endpoint]: endpoints,
      // A busy machine is not an error of the service.
      'timeout: 0.02s': 'timeout: 5s',
    })
    const directory = await mkdtemp(join(tmpdir(), 'throttler-envoy-'))
    const file = join(directory, 'envoy.yaml')
    const adminConfig = `admin: { address: { socket_address: { address: 127.0.0.1, port_value: ${admin} } } }\n`
    await writeFile(file, adminConfig + config)
    const args = ['-c', file, '--concurrency', '1', '--use-dynamic-base-id', '--log-level', 'error']
    const process = spawn('envoy', args, { stdio: 'ignore' })
    const envoy = new Envoy({ listen, admin }, { process, application, directory })
    await eventually(async () => {
      if (!(await fetch(`http://127.0.0.1:${admin}/ready`)).ok) throw new Error('envoy is not ready')
    }, 20_000)
    return envoy
  }

  /** Counts of the filter: `ok`, `over_limit`, `error`, `failure_mode_allowed`. */
  async counts(): Promise<Readonly<Record<string, number>>> {
    const text = await (await fetch(`${this.#adminUrl}/stats?filter=ratelimit`)).text()
    const counts = [...text.matchAll(/cluster\.application\.ratelimit\.(\w+): (\d+)/g)]
    return Object.fromEntries(counts.map(([, name, count]) => [name, Number(count)]))
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
    this.#application.close()
    this.#application.closeAllConnections()
    await rm(this.#directory, { recursive: true })
  }
}
