import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { expect } from '@jest/globals'
import { eventually } from './eventually.ts'
import { commandOf, pidsWithVariable } from './processes.ts'
import { promised } from './promised.ts'
import type { Service } from './service.ts'

/** The longest time that a stop during a start, or of an idle worker, may take, in ms. */
export const STOP_LIMIT_MS = promised(3_000)

export interface EndOfService {
  readonly code: number | null
  readonly tookMs: number
  /** The number of processes that outlived the first one. */
  readonly left: number
  readonly said: string
}

/** Resolves once the service handles signals; Node needs a moment before it runs the first line. */
export function handlesSignals({ process: { pid = 0 } }: Service): Promise<void> {
  return eventually(() => {
    if (!commandOf(pid).startsWith('throttler')) throw new Error('the service does not handle signals yet')
  })
}

/** Of SIGHUP, in the signals that a process catches. */
const SIGHUP_BIT = 1n

/** Resolves once the first process handles SIGHUP, which it does a moment after it has its title. */
export function handlesSighup({ process: { pid = 0 } }: Service): Promise<void> {
  return eventually(() => {
    const [, caught = '0'] = /^SigCgt:\s*(\w+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    if ((BigInt(`0x${caught}`) & SIGHUP_BIT) === 0n) throw new Error('the service does not handle SIGHUP yet')
  })
}

/** Sends the signal to the first process, and resolves with how the service ended. */
export async function endOf(service: Service, signal: NodeJS.Signals = 'SIGTERM'): Promise<EndOfService> {
  const { process: child, dataDir, output } = service
  const exited = once(child, 'exit')
  const start = performance.now()
  child.kill(signal)
  const [code] = (await exited) as [number | null]
  const tookMs = performance.now() - start
  const left = pidsWithVariable('DATA_DIR', dataDir)
  for (const pid of left) process.kill(pid, 'SIGKILL')
  return { code, tookMs, left: left.length, said: output.join('\n') }
}

/** The faults of an end; empty if there are none. */
export function faultsOf({ code, tookMs, left, said }: EndOfService): string[] {
  const isForced = said.includes('not stopped within')
  const isClean = code === 0 && left === 0 && tookMs < STOP_LIMIT_MS && !isForced
  return isClean ? [] : [`code ${code} after ${Math.round(tookMs)} ms, ${left} processes left:\n${said}`]
}

export function expectCleanEnd(end: EndOfService): void {
  expect(faultsOf(end)).toEqual([])
}
