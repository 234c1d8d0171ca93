import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'

interface Configuration {
  /** Inside `http { … }`. */
  readonly http: string
  /** Inside `server { … }`. */
  readonly location: string
}

/** An nginx with one server at a free port. */
export class NginxProxy {
  readonly url: string
  readonly #process: ChildProcess
  readonly #directory: string

  private constructor(url: string, process: ChildProcess, directory: string) {
    this.url = url
    this.#process = process
    this.#directory = directory
  }

  static async start({ http, location }: Configuration): Promise<NginxProxy> {
    const address = `127.0.0.1:${await freePort()}`
    const directory = await mkdtemp(join(tmpdir(), 'throttler-nginx-'))
    const server = `server { listen ${address};\n${location}\n}`
    const args = await configureNginx(directory, `${http}\n${server}`)
    const process = spawn('nginx', args, { stdio: 'inherit' })
    const ended = once(process, 'exit').then(() => Promise.reject(new Error('nginx does not start')))
    await Promise.race([eventually(() => fetch(`http://${address}`)), ended])
    return new NginxProxy(`http://${address}`, process, directory)
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGTERM')
    await ended
    await rm(this.#directory, { recursive: true })
  }
}

/** A burst of a test needs three for each of its requests. */
const CONNECTIONS = 8_192

/** Writes a configuration with this `http { … }`, whose files are all in the directory. Resolves with the arguments that use it. */
export async function configureNginx(directory: string, http: string): Promise<readonly string[]> {
  const file = join(directory, 'nginx.conf')
  const own = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(kind => `${kind}_temp_path ${directory};`)
  await writeFile(
    file,
    `daemon off; pid ${directory}/pid; events { worker_connections ${CONNECTIONS}; }\nhttp { access_log off; ${own.join(' ')}\n${http}\n}`,
  )
  return ['-p', directory, '-c', file, '-e', 'stderr']
}
