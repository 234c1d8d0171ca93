import { Cluster, type ClusterNode, type Redis } from 'ioredis'
import { replyError } from './failure-reason.ts'
import { nameUnnamedHosts, withKnownHost } from './unnamed-hosts.ts'

/** A redirection, with the address of a node: "MOVED 12182 127.0.0.1:6379". */
const REDIRECTION = /^(?:MOVED|ASK) \d+ (.*)$/
/** A host, which is not "?", and a port, which is not 0. */
const ADDRESS = /^[^?].*:[1-9]\d*$/

const ENDING: ReadonlySet<string> = new Set(['disconnecting', 'close', 'end'])

/** How long a connection may take to end, in ms. */
const MAX_END_MS = 1_000

/**
 * A connection to a cluster. It corrects eight things of ioredis:
 * - A redirection may name no node, if the owner of the slot came back as another node. ioredis then logs in at 127.0.0.1:6379 and
 *   sends the command there. Here, the cluster counts as down for this slot.
 * - A redirection that arrives while the connection ends makes ioredis open another one, which then never ends. Here, the command
 *   fails.
 * - If the cluster is not ready, ioredis connects again by itself, but never settles the promise of `connect`. Here, it is rejected.
 * - ioredis may connect again although the connection was told to end. Here, `end` is emitted after a second at the latest. BullMQ
 *   awaits this event, and the promise of `connect`, without a limit.
 * - If the node to which ASK redirects a command fails, the failure of ASKING in front of the command is left to nobody, which ends the
 *   process. Here, it is ignored: the command itself fails for the same reason.
 * - A slot that no master owns any more keeps its last owner in the slot map. Here, it has none.
 * - A node that announces no host is not found. Here, it is, at the host where the cluster was asked, also by redirections.
 * - If the slot map is being read when the connection ends, ioredis reads it again and again, so that the process never ends. Here, it does
 *   not.
 */
export class ClusterConnection extends Cluster {
  readonly #nodes: readonly ClusterNode[]
  /** Whether it was told to end. Then it is not used again. */
  #isEnded = false
  /** The slot map as it was read last. Each reading creates the lists of nodes again, so a list that stays was not read. */
  #lastSlots: Cluster['slots'] = []

  /** @param nodes where to find the cluster */
  constructor(nodes: readonly ClusterNode[], options: ConstructorParameters<typeof Cluster<'legacy'>>[1]) {
    super([...nodes], options)
    this.#nodes = nodes
    this.on('refresh', () => this.#forgetUnownedSlots())
    this.on('+node', ignoreFailedAsking)
    this.on('+node', nameUnnamedHosts)
  }

  #forgetUnownedSlots(): void {
    // While the connection ends, ioredis emits the event although it has read nothing.
    if (ENDING.has(this.status)) return
    for (const slot of this.slots.keys()) {
      if (this.slots[slot] === this.#lastSlots[slot]) delete this.slots[slot]
    }
    this.#lastSlots = [...this.slots]
  }

  /** BullMQ duplicates its connection. */
  override duplicate(...[nodes, override]: Parameters<Cluster['duplicate']>): ReturnType<Cluster['duplicate']> {
    return new ClusterConnection(nodes ?? this.#nodes, { ...this.options, ...override } as object)
  }

  override handleError(...[error, ttl, handlers]: Parameters<Cluster['handleError']>): void {
    if (this.status === 'disconnecting') {
      handlers.maxRedirections(new Error('Connection is closed.'))
      return
    }
    const known = withKnownHost(error, this.nodes('all'))
    super.handleError(leadsNowhere(known) ? replyError('CLUSTERDOWN no node has the slot') : known, ttl, handlers)
  }

  /** ioredis plans the next reading of the slot map once this one has called back. */
  override refreshSlotsCache(callback?: (err?: Error | null) => void): void {
    super.refreshSlotsCache(callback && (err => this.#isEnded || callback(err)))
  }

  override disconnect(reconnect = false): void {
    if (!reconnect) this.#isEnded = true
    super.disconnect(reconnect)
    if (reconnect || this.status === 'end') return
    const late = setTimeout(() => this.#end(), MAX_END_MS).unref()
    this.once('end', () => clearTimeout(late))
  }

  #end(): void {
    if (this.status !== 'ready') this.status = 'end'
    this.emit('end')
  }

  override connect(): Promise<void> {
    let close = () => {}
    const closed = new Promise<never>((_, reject) => {
      close = () => reject(new Error('the connection was closed before the cluster was ready'))
    })
    this.once('close', close)
    return Promise.race([super.connect(), closed]).finally(() => this.off('close', close))
  }
}

function ignoreFailedAsking(node: Redis): void {
  const asking = node.asking.bind(node)
  node.asking = (...args) => {
    const answer = asking(...args)
    answer.catch(() => undefined)
    return answer
  }
}

function leadsNowhere({ message }: Error): boolean {
  const [, address] = REDIRECTION.exec(message) ?? []
  return address !== undefined && !ADDRESS.test(address)
}
