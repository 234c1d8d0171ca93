import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { describe } from '@jest/globals'
import { holdFreePort } from '../../src/processes/free-port.ts'
import { blocksUnder } from './documents.ts'
import { eventually } from './eventually.ts'
import { configureNginx } from './nginx-proxy.ts'
import { isOnPath } from './on-path.ts'
import { replaceAll } from './recipe.ts'
import { Service } from './service.ts'

/** Suites that need the real proxy. They are skipped, with a message, if there is none. */
export const describeWithNginx = isOnPath('nginx') ? describe : describe.skip
export const describeWithHaproxy = isOnPath('haproxy') ? describe : describe.skip

/** Tokens of an expensive request, as in the recipes. */
const EXPENSIVE = 10

/** A token that the service refuses. */
export const STALE_TOKEN = 'a-token-that-was-replaced'

/** What a recipe can do, and the heading that describes it. */
const VARIANTS = {
  'by address': '## By address',
  'in a burst': '## By address',
  'expensive requests': '## By address',
  'with a stale token': '## By address',
  'behind another proxy': '## Behind another proxy',
  'by verified key': '## By verified API key',
} as const
export type Variant = keyof typeof VARIANTS

const blocksFor = (program: string, variant: Variant, language: string) =>
  blocksUnder(`docs/recipes/${program}.md`, VARIANTS[variant], language)

export interface ReverseProxy {
  readonly program: string
  /** Writes the recipe's files for these addresses. Resolves with the arguments that start the proxy. */
  readonly configure: (directory: string, variant: Variant, addresses: Addresses) => Promise<readonly string[]>
}

interface Addresses {
  readonly listen: string
  /** An address at which the PROXY protocol states the client's address, so that a test can use any. */
  readonly listenForProxy: string
  readonly service: string
  readonly application: string
}

/** Header fields of a request. One with several values is sent several times. */
type RequestFields = Readonly<Record<string, string | readonly string[]>>

/** The address that a recipe gives another proxy in front; in a test, that is the client of the proxy. */
const OTHER_PROXY = { '192.0.2.10': '127.0.0.1' }

/** Only the long tests, which have the machine for themselves, keep the time that recipes give the service to answer. */
const keepsTimeouts = process.env['TEST_LONG'] !== undefined
const TIMEOUTS = keepsTimeouts ? {} : { '500ms': '5s' }
const LUA_TIMEOUTS = keepsTimeouts ? {} : { 'TIMEOUT_MS = 6500': 'TIMEOUT_MS = 20000' }

/** So few that a test can use them up. */
const FEW_CONNECTIONS = { 'maxconn 5000': 'maxconn 50', 'maxconn 2000': 'maxconn 20' }

const portOf = (address: string) => new URL(`http://${address}`).port

export const NGINX: ReverseProxy = {
  program: 'nginx',
  configure: async (directory, variant, { listen, listenForProxy, service, application }) => {
    const [file = ''] = blocksFor('nginx', 'by address', 'nginx')
    const proxied = `listen ${listenForProxy} proxy_protocol; set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;`
    const listens = variant === 'behind another proxy' ? '' : proxied
    const http = replaceAll(nginxVariants[variant](file), {
      'listen 80;': `listen ${listen}; ${listens}`,
      '127.0.0.1:8080': service,
      '127.0.0.1:3000': application,
      ...TIMEOUTS,
    })
    return configureNginx(directory, http)
  },
}

/** For a variant that leaves a file as it is. */
function unchanged(file: string): string {
  return file
}

/** The changes to the first configuration that the recipe describes. */
const nginxVariants: Readonly<Record<Variant, (file: string) => string>> = {
  'by address': unchanged,
  'in a burst': unchanged,
  'expensive requests': file => replaceAll(file, { 'deny=403;': `deny=403&tokens=${EXPENSIVE};` }),
  'with a stale token': file =>
    replaceAll(file, {
      '# proxy_set_header      Authorization "Bearer …"': `proxy_set_header Authorization "Bearer ${STALE_TOKEN}"`,
    }),
  'behind another proxy': file => {
    const [directives = ''] = blocksFor('nginx', 'behind another proxy', 'nginx')
    return replaceAll(file, { 'server {\n    listen': `server {\n${replaceAll(directives, OTHER_PROXY)}    listen` })
  },
  'by verified key': file => {
    const [map = '', field = '', locations = ''] = blocksFor('nginx', 'by verified key', 'nginx')
    return replaceAll(file, {
      'server {\n    listen': `${map}\nserver {\n${field}    listen`,
      'key=$client_key': 'key=$throttle_key',
      '    location / {': `${locations}\n    location @limited {`,
    })
  },
}

export const HAPROXY: ReverseProxy = {
  program: 'haproxy',
  configure: async (directory, variant, { listen, listenForProxy, service, application }) => {
    const [file = ''] = blocksFor('haproxy', 'by address', 'haproxy')
    const [action = ''] = blocksFor('haproxy', 'by address', 'lua')
    // The name of an abstract socket must be unique on the machine.
    const socket = { 'abns@throttler': `abns@throttler-${portOf(listen)}` }
    const addresses = {
      'bind :80': `bind ${listen}\n    bind ${listenForProxy} accept-proxy`,
      '127.0.0.1:8080': service,
      '127.0.0.1:3000': application,
      ...(variant !== 'in a burst' && FEW_CONNECTIONS),
      ...TIMEOUTS,
    }
    const lua = haproxyActions[variant](action)
    await writeFile(join(directory, 'throttle.lua'), replaceAll(lua, { ...socket, ...LUA_TIMEOUTS }))
    const config = replaceAll(haproxyVariants[variant](file), { ...socket, ...addresses })
    await writeFile(join(directory, 'haproxy.cfg'), config)
    return ['-db', '-C', directory, '-f', join(directory, 'haproxy.cfg')]
  },
}

/** The changes to the first actions that the recipe describes. */
const haproxyActions: Readonly<Record<Variant, (lua: string) => string>> = {
  'by address': unchanged,
  'in a burst': unchanged,
  'expensive requests': lua => replaceAll(lua, { '?deny=403': `?deny=403&tokens=${EXPENSIVE}` }),
  'with a stale token': lua =>
    replaceAll(lua, {
      'timeout = TIMEOUT_MS }': `timeout = TIMEOUT_MS, headers = { authorization = { "Bearer ${STALE_TOKEN}" } } }`,
    }),
  'behind another proxy': unchanged,
  'by verified key': lua => `${lua}\n${blocksFor('haproxy', 'by verified key', 'lua').join('')}`,
}

/** The additions to the first configuration that the recipe describes. */
const haproxyVariants: Readonly<Record<Variant, (file: string) => string>> = {
  'by address': unchanged,
  'in a burst': unchanged,
  'expensive requests': unchanged,
  'with a stale token': unchanged,
  'behind another proxy': file => {
    const [rule = ''] = blocksFor('haproxy', 'behind another proxy', 'haproxy')
    return replaceAll(file, { '    bind :80\n': `    bind :80\n${replaceAll(rule, OTHER_PROXY)}` })
  },
  'by verified key': file => {
    const [rules = '', route = '', section = ''] = blocksFor('haproxy', 'by verified key', 'haproxy')
    const changed = replaceAll(file, {
      '    http-request lua.throttle\n': `${rules}    http-request lua.throttle\n`,
      '\nbackend application\n': `${route}\nbackend application\n`,
    })
    return `${changed}\n${section}`
  },
}

/** An application behind a proxy that asks the service. All of them use free ports. */
export class ProxiedApplication {
  readonly service: Service
  readonly #url: string
  readonly #proxiedPort: number
  readonly #application: Server
  readonly #process: ChildProcess
  readonly #directory: string

  private constructor(parts: {
    service: Service
    application: Server
    process: ChildProcess
    directory: string
    addresses: Addresses
  }) {
    this.service = parts.service
    this.#application = parts.application
    this.#process = parts.process
    this.#directory = parts.directory
    this.#url = `http://${parts.addresses.listen}`
    this.#proxiedPort = Number(portOf(parts.addresses.listenForProxy))
  }

  /** @param answer how the application answers */
  static async start(
    proxy: ReverseProxy,
    variant: Variant,
    answer: (request: IncomingMessage, response: ServerResponse) => void,
    env: NodeJS.ProcessEnv,
  ): Promise<ProxiedApplication> {
    // With one process, a change is obeyed as soon as it is reported as applied.
    const service = await Service.start({ env: { WEB_CONCURRENCY: '1', REDIS_TIMEOUT_MS: '5000', ...env } })
    // An application that accepts more than the service does.
    const application = createServer({ maxHeaderSize: 65_536 }, answer)
    application.on('upgrade', ({ headers }, socket) =>
      socket.end(`HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${headers.upgrade}\r\n\r\n`),
    )
    await once(application.listen(0, '127.0.0.1'), 'listening')
    const ports = [await holdFreePort('127.0.0.1'), await holdFreePort('127.0.0.1')] as const
    const addresses = {
      listen: `127.0.0.1:${ports[0].port}`,
      listenForProxy: `127.0.0.1:${ports[1].port}`,
      service: new URL(service.url).host,
      application: `127.0.0.1:${(application.address() as AddressInfo).port}`,
    }
    const directory = await mkdtemp(join(tmpdir(), 'throttler-proxy-'))
    const args = await proxy.configure(directory, variant, addresses)
    for (const { release } of ports) release()
    const process = spawn(proxy.program, args, { stdio: 'inherit' })
    const started = new ProxiedApplication({ service, application, process, directory, addresses })
    const ended = once(process, 'exit').then(() => Promise.reject(new Error(`${proxy.program} does not start`)))
    await Promise.race([eventually(() => fetch(started.url)), ended])
    return started
  }

  /** The URL of the proxy. */
  get url(): string {
    return this.#url
  }

  /** The status that a client with this address gets. */
  async statusFor(ip: string, headers: RequestFields = {}): Promise<number> {
    return (await this.responseFor(ip, headers)).status
  }

  /** The response that a client with this address gets. */
  async responseFor(ip: string, headers: RequestFields): Promise<{ status: number; text: string }> {
    const socket = connect({ host: '127.0.0.1', port: this.#proxiedPort })
    const fields = Object.entries({ host: 'example.org', connection: 'close', ...headers })
    const [family, server] = ip.includes(':') ? ['TCP6', '2001:db8::80'] : ['TCP4', '192.0.2.80']
    const lines = fields.flatMap(([name, values]) => [values].flat().map(value => `${name}: ${value}\r\n`))
    const request = `GET / HTTP/1.1\r\n${lines.join('')}\r\n`
    socket.write(`PROXY ${family} ${ip} ${server} 40000 80\r\n${request}`)
    const text = (await buffer(socket)).toString()
    return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]), text }
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGTERM')
    await ended
    this.#application.closeAllConnections()
    this.#application.close()
    await this.service.stop()
    await rm(this.#directory, { recursive: true })
  }
}
