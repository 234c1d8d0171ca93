import type { Env } from '../settings/env.ts'
import { holdFreePort } from './free-port.ts'

/** The variables that name the ports of front processes: that of HTTP, and those of other protocols, which are optional. */
const PORT_VARIABLES = ['PORT', 'RESP_PORT', 'GRPC_PORT'] as const

/** The ports on which front processes listen, by variable. */
export type FrontPorts = Partial<Record<(typeof PORT_VARIABLES)[number], number>>

interface HeldPorts {
  readonly ports: FrontPorts
  /** Frees the ports for the next listener. */
  release(): void
}

/**
 * The ports that the front listens on. For a port 0, the primary finds a free port itself, so that the port stays the same when all
 * processes are replaced. It holds the port until the first process listens, so that no other program takes it.
 */
export async function holdPorts(env: Pick<Env, 'HOST' | (typeof PORT_VARIABLES)[number]>): Promise<HeldPorts> {
  const ports: FrontPorts = {}
  const releases: (() => void)[] = []
  for (const name of PORT_VARIABLES) {
    const given = env[name]
    if (given === undefined) continue
    // If no port can be held, listening fails as well and reports why.
    const held = given === 0 ? await holdFreePort(env.HOST).catch(() => undefined) : undefined
    ports[name] = held?.port ?? given
    if (held !== undefined) releases.push(held.release)
  }
  const release = () => {
    for (const free of releases.splice(0)) free()
  }
  return { ports, release }
}

/** The variables that give these ports to a process. */
export function portVariables(ports: FrontPorts): Record<string, string> {
  return Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)]))
}
