import type { Socket } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { disconnectSlowest, type Unread } from '../../../src/connections/unread-bytes.ts'

const MIB = 1024 * 1024

/** What clients have not read, and the names of those that are disconnected. */
function disconnected(clients: Readonly<Record<string, readonly [unreadBytes: number, leftMs: number]>>): string[] {
  const names: string[] = []
  const unread = Object.entries(clients).map(([name, [unreadBytes, leftMs]]): Unread => {
    const connection = { destroy: () => void names.push(name) } as unknown as Socket
    return { connection, unreadBytes, leftMs }
  })
  disconnectSlowest(unread)
  return names
}

describe('clients that have not read', () => {
  it('64 MiB together are left alone', () => {
    expect(disconnected({ a: [63 * MIB, 1], b: [MIB, 9_000] })).toEqual([])
  })

  it('more are disconnected, the slowest first, until it is no more than that', () => {
    const clients = { quick: [30 * MIB, 9_000], slow: [20 * MIB, 2_000], slowest: [20 * MIB, 1_000] } as const
    expect(disconnected(clients)).toEqual(['slowest'])
    expect(disconnected({ ...clients, more: [30 * MIB, 8_000] })).toEqual(['slowest', 'slow'])
  })

  it('more than that alone are disconnected', () => {
    expect(disconnected({ large: [64 * MIB + 1, 9_000], small: [1, 10_000] })).toEqual(['large'])
  })
})
