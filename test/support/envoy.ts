import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Document, parseDocument, type YAMLMap } from 'yaml'
import { blocksUnder } from './documents.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'

/** A header of a request that the application repeats in its answer. */
export const REPEATED_HEADER = 'x-tokens'

const LISTENERS = ['static_resources', 'listeners']
const MANAGER = ['filter_chains', 0, 'filters', 0, 'typed_config']
/** Where the parts of the configuration are that recipes replace. */
export const CONNECTION_MANAGER = [...LISTENERS, 0, ...MANAGER]
export const HTTP_FILTERS = [...CONNECTION_MANAGER, 'http_filters']
const ROUTE = ['route_config', 'virtual_hosts', 0, 'routes', 0, 'route']
export const ROUTE_LIMITS = [...CONNECTION_MANAGER, ...ROUTE, 'rate_limits']
export const SERVICE_CLUSTER = ['static_resources', 'clusters', 1]
const CLUSTERS = ['static_resources', 'clusters']
const PORT = ['address', 'socket_address', 'port_value']
const ENDPOINTS = ['load_assignment', 'endpoints', 0, 'lb_endpoints']
const FILTER = [...MANAGER, 'http_filters', 0, 'typed_config']

interface EnvoyOptions {
  /** The ports of gRPC of the instances of the service. */
  readonly grpcPorts: readonly number[]
  /** How long Envoy waits for the service. Default: as the documents say. */
  readonly timeout?: string
  /** The application behind Envoy. Default: answers everything. */
  readonly application?: RequestListener
  /** Changes the configuration further. */
  readonly edit?: (config: Document) => void
}

interface Ports {
  readonly listen: number
  readonly strict: number
  readonly admin: number
}

/** The real Envoy, configured as the documents say, in front of an application that answers everything. */
export class Envoy {
  readonly url: string
  /** The same, but requests fail if the service does not answer. */
  readonly strictUrl: string
  readonly #adminUrl: string
  readonly #process: ChildProcess
  readonly #application: Server
  readonly #directory: string

  private constructor(
    { listen, strict, admin }: Ports,
    parts: { process: ChildProcess; application: Server; directory: string },
  ) {
    this.url = `http://127.0.0.1:${listen}`
    this.strictUrl = `http://127.0.0.1:${strict}`
    this.#adminUrl = `http://127.0.0.1:${admin}`
    this.#process = parts.process
    this.#application = parts.application
    this.#directory = parts.directory
  }

  static async start(options: EnvoyOptions): Promise<Envoy> {
    const application = createServer(options.application ?? answerEverything)
    await once(application.listen(0, '127.0.0.1'), 'listening')
    const [listen = 0, strict = 0, admin = 0] = await Promise.all([1, 2, 3].map(() => freePort()))
    const ports = { listen, strict, admin }
    const directory = await mkdtemp(join(tmpdir(), 'throttler-envoy-'))
    const file = join(directory, 'envoy.yaml')
    await writeFile(file, configOf(ports, (application.address() as AddressInfo).port, options))
    const args = ['-c', file, '--concurrency', '1', '--use-dynamic-base-id', '--log-level', 'error']
    const process = spawn('envoy', args, { stdio: 'ignore' })
    const envoy = new Envoy(ports, { process, application, directory })
    await eventually(async () => {
      if (!(await fetch(`${envoy.#adminUrl}/ready`)).ok) throw new Error('envoy is not ready')
    })
    return envoy
  }

  /** Instances of the service that pass Envoy's health check. */
  async healthyInstances(): Promise<number> {
    const text = await (await fetch(`${this.#adminUrl}/stats?filter=throttler.membership_healthy`)).text()
    return Number(/: (\d+)/.exec(text)?.[1])
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

export const answerEverything: RequestListener = ({ headers }, response) => {
  const repeated = headers[REPEATED_HEADER]
  if (repeated !== undefined) response.setHeader(REPEATED_HEADER, repeated)
  response.end('hello')
}

/** The configuration in the documents. */
export function envoyRecipe(): Document {
  const [recipe = ''] = blocksUnder('docs/protocols.md', '### Envoy', 'yaml')
  return parseDocument(recipe)
}

/** What Envoy finds wrong in a configuration: nothing, or its messages. */
export async function faultsIn(config: Document): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'throttler-envoy-'))
  const file = join(directory, 'envoy.yaml')
  await writeFile(file, String(config))
  const validating = promisify(execFile)('envoy', ['--mode', 'validate', '-c', file, '--log-level', 'error'])
  const faults = await validating.then(
    () => '',
    ({ stderr }) => String(stderr),
  )
  await rm(directory, { recursive: true })
  return faults
}

/** That configuration, with the ports of a test, and a second listener whose requests fail with the service. */
function configOf(ports: Ports, application: number, { grpcPorts, timeout, edit }: EnvoyOptions): string {
  const config = envoyRecipe()
  edit?.(config)
  config.setIn(['admin', ...PORT], ports.admin)
  config.setIn(['admin', 'address', 'socket_address', 'address'], '127.0.0.1')
  if (timeout !== undefined) config.setIn([...LISTENERS, 0, ...FILTER, 'timeout'], timeout)
  config.addIn(LISTENERS, (config.getIn([...LISTENERS, 0]) as YAMLMap).clone())
  config.setIn([...LISTENERS, 0, ...PORT], ports.listen)
  config.setIn([...LISTENERS, 1, ...PORT], ports.strict)
  config.setIn([...LISTENERS, 1, ...FILTER, 'failure_mode_deny'], true)
  config.setIn([...CLUSTERS, 0, ...ENDPOINTS], [endpointAt(application)])
  config.setIn([...CLUSTERS, 1, ...ENDPOINTS], grpcPorts.map(endpointAt))
  return String(config)
}

function endpointAt(port: number) {
  return { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } }
}
