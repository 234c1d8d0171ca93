import { Cluster, type ClusterNode, ReplyError } from 'ioredis'

/** A redirection with the address of a node: "MOVED 12182 127.0.0.1:6379". */
const REDIRECTION = /^(?:MOVED|ASK) \d+ (.*)$/
/** How long a connection may take to end, in ms. */
const MAX_END_MS = 1_000

const ADDRESS = /^[^?].*:[1-9]\d*$/

/**
 * A connection to a cluster, whose nodes may be anywhere, nowhere or gone. Differently from ioredis:
 * - It does not follow a redirection without an address, as for the slots of a node that came back as another one. ioredis takes
 *   that for 127.0.0.1:6379, logs in there and sends the command.
 * - While it disconnects, it follows no redirection, so that it ends. ioredis opens a connection, and then waits for its end.
 * - The promise of `connect` is rejected if the cluster is not ready. ioredis connects again by itself, but leaves it pending.
 * - A connection that was to end says so within a second. ioredis may connect it again meanwhile, or neither end it nor connect it.
 * BullMQ waits for all of that, without limit.
 */
export class ClusterConnection extends Cluster {
  readonly #nodes: readonly ClusterNode[]

  /** @param nodes where to find the cluster */
  constructor(nodes: readonly ClusterNode[], options: ConstructorParameters<typeof Cluster<'legacy'>>[1]) {
    super([...nodes], options)
    this.#nodes = nodes
  }

  /** BullMQ duplicates its connection. */
  override duplicate(...[nodes, override]: Parameters<Cluster['duplicate']>): ReturnType<Cluster['duplicate']> {
    return new ClusterConnection(nodes ?? this.#nodes, { ...this.options, ...override } as object)
  }

  override handleError(...[error, ttl, handlers]: Parameters<Cluster['handleError']>): void {
    if (this.status === 'disconnecting') handlers.maxRedirections(new Error('Connection is closed.'))
    else
      super.handleError(leadsNowhere(error) ? new ReplyError('CLUSTERDOWN no node has the slot') : error, ttl, handlers)
  }

  override disconnect(reconnect = false): void {
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

function leadsNowhere({ message }: Error): boolean {
  const [, address] = REDIRECTION.exec(message) ?? []
  return address !== undefined && !ADDRESS.test(address)
}
