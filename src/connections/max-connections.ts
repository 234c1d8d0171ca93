import { readFileSync } from 'node:fs'

/** Maximum connections of a process, if its file descriptors allow them. */
export const MAX_CONNECTIONS = 10_000

/** File descriptors for everything else: stores, channels, modules, and connections that are being refused. */
const RESERVED_DESCRIPTORS = 100

/** @param limits the text of `/proc/self/limits`; without it (not on Linux), the descriptors are assumed to suffice */
export function maxConnections(limits: string | undefined): number {
  const [, descriptors = 'unlimited'] = /^Max open files\s+(\d+|unlimited)/m.exec(limits ?? '') ?? []
  if (descriptors === 'unlimited') return MAX_CONNECTIONS
  return Math.max(1, Math.min(MAX_CONNECTIONS, Number(descriptors) - RESERVED_DESCRIPTORS))
}

/** The resource limits of this process; `undefined` except on Linux. */
export function readOwnLimits(): string | undefined {
  try {
    return readFileSync('/proc/self/limits', 'utf8')
  } catch {
    return undefined
  }
}
