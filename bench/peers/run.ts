import { Redis } from 'ioredis'
import { RedisServer } from '../../test/support/redis-server.ts'
import { LoadGenerator } from '../load/load-generator.ts'
import { type Measurement, measure } from '../measure.ts'
import { storeDescriptorPolicy } from '../processes/descriptor-policy.ts'
import type { MeasuredProcess } from '../processes/measured-process.ts'
import { startService } from '../processes/service.ts'
import { SERVICE } from '../rows.ts'
import { build } from './build.ts'
import { startPeer } from './peer-process.ts'
import { PEERS, type Peer } from './peers.ts'
import { PEER_ROWS, type PeerRow } from './rows.ts'

type Say = (line: string) => void
type At = (row: PeerRow) => MeasuredProcess

interface PeerRunOptions {
  readonly rounds: number
  readonly seconds: number
  /** Where peers are built, and kept for the next run. */
  readonly root: string
  readonly stop: AbortSignal
}

export interface PeerRun {
  /** What each row showed in each round, by name. */
  readonly rows: ReadonlyMap<string, readonly Measurement[]>
  /** Why a peer could not be measured, by its name. */
  readonly failures: ReadonlyMap<string, string>
}

export async function runPeers(options: PeerRunOptions, say: Say): Promise<PeerRun> {
  const server = await RedisServer.start()
  const redis = new Redis(server.url)
  const load = new LoadGenerator()
  const stops = [() => load.end(), () => redis.disconnect(), () => server.stop()]
  try {
    const service = await startService(server.url)
    stops.unshift(service.stop)
    await storeDescriptorPolicy(service, server.url)
    const overGrpc = { ...service, port: service.grpcPort ?? 0 }
    const started = new Map<string, At>([[SERVICE, ({ protocol }) => (protocol === 'gRPC' ? overGrpc : service)]])
    const failures = new Map<string, string>()
    for (const peer of PEERS) {
      say(`building ${peer.name} ${peer.version}`)
      const { at, stop, failure } = await buildAndStart(peer, options, server.port)
      if (at !== undefined) started.set(peer.name, at)
      if (stop !== undefined) stops.unshift(stop)
      if (failure !== undefined) failures.set(peer.name, failure)
    }
    const rows = new Map<string, readonly Measurement[]>()
    const bench = { ...options, warmUpSeconds: 1.5, load, redis, redisPid: server.pid }
    for (let i = 1; i <= options.rounds; i++) {
      for (const row of PEER_ROWS) {
        const at = started.get(row.server)
        if (at === undefined) continue
        say(`round ${i} of ${options.rounds}: ${row.name}`)
        rows.set(row.name, [...(rows.get(row.name) ?? []), await measure(row, at(row), bench)])
      }
    }
    return { rows, failures }
  } finally {
    for (const stop of stops) await stop()
  }
}

async function buildAndStart(
  peer: Peer,
  { root, stop: signal }: PeerRunOptions,
  redisPort: number,
): Promise<{ at?: At; stop?: () => Promise<void>; failure?: string }> {
  const built = await build(peer, root, signal)
  if ('failure' in built) return built
  try {
    const { at, stop } = await startPeer(peer, built.program, redisPort)
    return { at: ({ protocol }) => at(protocol), stop }
  } catch (err) {
    return { failure: `it does not start: ${(err as Error).message}` }
  }
}
