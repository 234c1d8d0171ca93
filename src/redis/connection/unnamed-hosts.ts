import type { Redis } from 'ioredis'

type Host = string | null
/** The slots from the first to the last, and their nodes, of which the first is the master. */
type SlotRange = readonly [first: number, last: number, ...nodes: (readonly [host: Host, ...rest: unknown[]])[]]

/** How ioredis asks for the slot map. */
type AskSlots = (subcommand: 'SLOTS', callback: (err?: Error | null, ranges?: readonly SlotRange[]) => void) => unknown

/** What a node says that has no host to announce, or no hostname. */
const NO_HOST: readonly Host[] = [null, '', '?']

/**
 * Lets a node of a cluster tell its slots with hosts. A cluster may be set up to announce none, and a node without others does not know
 * its own; then the host is the one at which the node was asked. ioredis would ignore such nodes, and find none.
 * @see https://redis.io/docs/latest/commands/cluster-slots/
 */
export function nameUnnamedHosts(node: Redis): void {
  const duplicate = node.duplicate.bind(node)
  // ioredis asks over a connection of its own, and for nothing else.
  node.duplicate = override => {
    const copy = duplicate(override)
    const ask = copy.cluster.bind(copy) as unknown as AskSlots
    const cluster: AskSlots = (subcommand, callback) =>
      ask(subcommand, (err, ranges) =>
        callback(
          err,
          ranges?.map(range => withHosts(range, node.options.host)),
        ),
      )
    return Object.assign(copy, { cluster })
  }
}

function withHosts([first, last, ...nodes]: SlotRange, asked: Host = null): SlotRange {
  return [first, last, ...nodes.map(([host, ...rest]) => [NO_HOST.includes(host) ? asked : host, ...rest] as const)]
}
