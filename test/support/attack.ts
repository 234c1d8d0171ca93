import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from '@jest/globals'
import { CheckLoad, reportFigures, type Sample, summarize } from './check-load.ts'
import { residentMegabytes } from './processes.ts'
import type { Service } from './service.ts'

const ATTACKER = fileURLToPath(new URL('./attacker.mjs', import.meta.url))
/** How long an attack lasts, in ms. */
export const ATTACK_MS = 15_000
/** Time for the other callers to connect before the attack. */
const WARM_UP_MS = 1_000
const CHECKS_PER_SECOND = 200
const CONNECTIONS = 50
/** The attacker opens ten thousand connections. */
const OPEN_FILES = 20_000

const MAX_P99_MS = 25
/** The promised bound of a process's memory. */
export const MAX_RESIDENT_MB = 300

/** What each connection of an attacker does. */
interface Attack {
  /** Its address. Default: that of the other callers. */
  readonly from?: string
  /** Or how many addresses the connections have, in turn. */
  readonly addresses?: number
  /** Where it connects to; by default, to where the service listens. */
  readonly port?: number
  readonly connections: number
  /** The head of a request, which is sent first. */
  readonly head: string
  /** A text that follows the head, and how many times it is repeated. */
  readonly fill?: readonly [text: string, times: number]
  readonly tail?: string
  /** Whether the whole request is sent again whenever an answer arrives. */
  readonly again?: boolean
  /** A text that is sent again and again after the request, as fast as it is read. */
  readonly flood?: string
  /** A text that all connections send together every few seconds. */
  readonly burst?: string
  /** A text that is sent once a second after the request. */
  readonly trickle?: string
  /** Whether answers are read; by default they are. */
  readonly reads?: boolean
  /** Whether a connection that was closed is opened again. */
  readonly reopens?: boolean
}

interface Figures {
  readonly samples: readonly Sample[]
  /** The largest resident memory of a front process or a worker, in MB. */
  readonly residentMb: number
}

/** Attacks a service for a while, and measures the checks of its other callers meanwhile. */
export async function underAttack(service: Service, attack: Attack): Promise<Figures> {
  const load = new CheckLoad({
    urls: [service.url],
    ratePerSecond: CHECKS_PER_SECOND,
    keyOf: i => `caller:${i % 100}`,
    connections: CONNECTIONS,
  })
  await load.connect()
  await load.runsFor(WARM_UP_MS)
  const port = String(attack.port ?? new URL(service.url).port)
  // Attackers have machines of their own, so this one takes only the processor time that nobody else wants.
  const command = `ulimit -n ${OPEN_FILES}; exec nice -n 19 node "$0" "$@"`
  const startMs = performance.now()
  const attacker = spawn('sh', ['-c', command, ATTACKER, port, JSON.stringify(attack)], { stdio: 'inherit' })
  try {
    const pids = [...service.pidsOf('throttler front'), ...service.pidsOf('throttler worker')]
    const residentMb = await mostResident(pids, ATTACK_MS)
    return { samples: load.samples.filter(({ at }) => at > startMs), residentMb }
  } finally {
    await load.stop()
    attacker.kill()
    if (attacker.exitCode === null && attacker.signalCode === null) await once(attacker, 'exit')
  }
}

/** Expects that other callers were answered in time, and that memory is bounded. */
export function expectUnharmed(attack: string, { samples, residentMb }: Figures, maxP99Ms = MAX_P99_MS): void {
  reportFigures(`${attack}, ${Math.round(residentMb)} MB`, samples)
  const { errors, p99Ms } = summarize(samples)
  expect(errors).toBe(0)
  expect(residentMb).toBeLessThanOrEqual(MAX_RESIDENT_MB)
  expect(p99Ms).toBeLessThanOrEqual(maxP99Ms)
}

async function mostResident(pids: readonly number[], ms: number): Promise<number> {
  const endMs = performance.now() + ms
  let most = 0
  while (performance.now() < endMs) {
    most = Math.max(most, ...pids.map(residentMegabytes))
    await sleep(100)
  }
  return most
}
