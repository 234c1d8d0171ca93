import { Cluster, type ClusterNode } from 'ioredis'

/**
 * A connection to a cluster. ioredis never settles the promise of `connect` if the cluster says that it is not ready, for instance
 * during a failover, although it connects again by itself: BullMQ would wait for it without limit. Here, that promise is rejected.
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

  override connect(): Promise<void> {
    let close = () => {}
    const closed = new Promise<never>((_, reject) => {
      close = () => reject(new Error('the connection was closed before the cluster was ready'))
    })
    this.once('close', close)
    return Promise.race([super.connect(), closed]).finally(() => this.off('close', close))
  }
}
