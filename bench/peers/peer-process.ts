import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../test/support/free-port.ts'
import type { MeasuredProcess } from '../processes/measured-process.ts'
import type { Peer, Protocol } from './peers.ts'

const LOOPBACK = '127.0.0.1'
const START_TIMEOUT_MS = 20_000
const POLL_MS = 50

/** A running peer, and the port of each of its protocols. */
export interface PeerProcess {
  readonly at: (protocol: Protocol) => MeasuredProcess
  stop(): Promise<void>
}

/** Resolves once the peer accepts connections. */
export async function startPeer(peer: Peer, program: string, redisPort: number): Promise<PeerProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'throttler-peer-'))
  const ports = [await freePort(), await freePort(), await freePort()] as const
  const { args = [], env = {}, listens } = await peer.start({ ports, redisPort, directory })
  const child = spawn(program, args, { env: { PATH: process.env['PATH'], ...env }, cwd: directory, stdio: 'ignore' })
  const exited = once(child, 'exit')
  const stop = async () => {
    child.kill()
    await exited
    await rm(directory, { recursive: true })
  }
  try {
    for (const port of Object.values(listens)) await accepting(port, () => child.exitCode)
  } catch (err) {
    await stop()
    throw err
  }
  const pid = child.pid ?? 0
  return { at: protocol => ({ port: listens[protocol] ?? 0, pids: [pid], frontPid: pid, stop }), stop }
}

async function accepting(port: number, exitCode: () => number | null): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS
  while (!(await accepts(port))) {
    if (exitCode() !== null) throw new Error(`it ended with code ${exitCode()}`)
    if (performance.now() > deadline) throw new Error(`it does not listen on port ${port}`)
    await sleep(POLL_MS)
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, LOOPBACK)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
