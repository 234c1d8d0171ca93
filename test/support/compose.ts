import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe } from '@jest/globals'
import { parse } from 'yaml'
import { isOnPath } from './on-path.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const UNIT_BYTES = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 }

export const describeWithCompose = isOnPath('docker-compose') ? describe : describe.skip

export interface ComposeService {
  readonly build?: unknown
  readonly image: string
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly memoryBytes: number
  readonly networks: readonly string[]
  /** The addresses that its published ports listen on. */
  readonly listensOn: readonly string[]
  /** All other settings, as Compose prints them. */
  readonly settings: Readonly<Record<string, unknown>>
}

export interface ComposeProject {
  readonly services: Readonly<Record<string, ComposeService>>
  readonly networks: Readonly<Record<string, unknown>>
}

interface PrintedService extends Readonly<Record<string, unknown>> {
  readonly build?: unknown
  readonly image: string
  readonly command?: string | readonly string[] | null
  readonly environment?: Readonly<Record<string, string>>
  readonly mem_limit: string
  readonly networks?: Readonly<Record<string, unknown>>
  readonly ports?: readonly (string | { readonly host_ip?: string })[]
}

/** docker-compose.yml as interpreted by Docker Compose. Versions 1.29 and 2 print the same project in different forms. */
export function composeProject(): ComposeProject {
  const { services, networks } = parse(printedProject()) as {
    services: Record<string, PrintedService>
    networks: Record<string, unknown>
  }
  return {
    networks,
    services: Object.fromEntries(Object.entries(services).map(([name, service]) => [name, normalized(service)])),
  }
}

/** Version 1 does not support `name` in the file, so it gets the file without that line. */
function printedProject(): string {
  const file = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8')
  const isVersion1 = run(['version', '--short']).startsWith('1.')
  return run(
    ['--project-directory', ROOT, '--file', '-', 'config'],
    isVersion1 ? file.replace(/^name: .*\n/m, '') : file,
  )
}

function run(args: readonly string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync('docker-compose', args, { input, encoding: 'utf8' })
  if (status !== 0) throw new Error(`docker-compose ${args.join(' ')}: ${stderr}`)
  return stdout
}

function normalized(service: PrintedService): ComposeService {
  const { command, environment = {}, mem_limit, networks = {}, ports = [] } = service
  return {
    image: service.image,
    ...(service.build !== undefined && { build: service.build }),
    command: typeof command === 'string' ? command.split(/\s+/) : (command ?? []),
    environment,
    memoryBytes: bytesOf(mem_limit),
    networks: Object.keys(networks),
    listensOn: ports.map(port => (typeof port === 'string' ? hostOf(port) : (port.host_ip ?? ''))),
    settings: service,
  }
}

/** The host of a port such as `127.0.0.1:8080:8080/tcp`. It is empty if none is named, which means every address. */
function hostOf(port: string): string {
  return port.split(':').slice(0, -2).join(':')
}

/** The bytes in a size such as `512m` or `536870912`. */
function bytesOf(size: string): number {
  const [, digits, unit] = /^(\d+)([kmg])?b?$/.exec(size) ?? []
  if (digits === undefined) throw new Error(`not a size: ${size}`)
  return Number(digits) * (unit === undefined ? 1 : UNIT_BYTES[unit as keyof typeof UNIT_BYTES])
}
