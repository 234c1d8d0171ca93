import type { Redis } from 'ioredis'
import { replyError } from './failure-reason.ts'

type Host = string | null
/** `metadata` has names and values in turn; the IP address is there if the host is to be a hostname. */
type SlotNode = readonly [host: Host, port: number, id: string, metadata?: readonly string[]]
/** A range of slots and its nodes: the master, then its replicas. */
type SlotRange = readonly [first: number, last: number, ...nodes: SlotNode[]]

/** How ioredis asks for the slot map. */
type AskSlots = (subcommand: 'SLOTS', callback: (err?: Error | null, ranges?: readonly SlotRange[]) => void) => unknown

/** A node that has no hostname to announce. */
const NO_HOSTNAME = '?'

/** A redirection to a node without a host: "ASK 2745 :6380", "MOVED 2745 ?:6380". */
const REDIRECTION = /^((?:MOVED|ASK) \d+ )\??:(\d+)$/

/**
 * Lets a node of a cluster tell its slots with hosts. A cluster may be set up to announce none, or hostnames that nodes do not have, and
 * a node without others does not know its own host. Then the host is the IP address of the node, if it is known, or else the host at
 * which the cluster was asked. ioredis would find no node.
 * @see https://redis.io/docs/latest/commands/cluster-slots/
 */
export function nameUnnamedHosts(node: Redis): void {
  const duplicate = node.duplicate.bind(node)
  // ioredis asks over a connection of its own, and for nothing else.
  node.duplicate = override => {
    const copy = duplicate(override)
    const ask = copy.cluster.bind(copy) as unknown as AskSlots
    const cluster: AskSlots = (subcommand, callback) =>
      ask(subcommand, (err, ranges) => callback(err, ranges && withHosts(ranges, node.options.host)))
    return Object.assign(copy, { cluster })
  }
}

function withHosts(ranges: readonly SlotRange[], asked: Host = null): readonly SlotRange[] {
  return ranges.map(([first, last, ...nodes]) => [first, last, ...nodes.map(node => withHost(node, asked))])
}

function withHost([host, port, id, metadata = []]: SlotNode, asked: Host): SlotNode {
  return [(host === NO_HOSTNAME ? addressIn(metadata) : host) || asked, port, id]
}

function addressIn(metadata: readonly string[]): Host {
  const name = metadata.indexOf('ip')
  return name < 0 ? null : (metadata[name + 1] ?? null)
}

/** A redirection, with the host of the known node that has its port. Without such a node, or with several, it stays as it is. */
export function withKnownHost(redirection: Error, nodes: readonly Redis[]): Error {
  const [, beginning, port] = REDIRECTION.exec(redirection.message) ?? []
  if (port === undefined) return redirection
  const hosts = new Set(nodes.filter(({ options }) => options.port === Number(port)).map(({ options }) => options.host))
  const [host] = hosts
  return hosts.size === 1 ? replyError(`${beginning}${host}:${port}`) : redirection
}
