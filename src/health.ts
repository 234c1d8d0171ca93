export type StoreState = 'up' | 'down'

const CIRCUITS_FROM_BEST = ['closed', 'half-open', 'open'] as const
export type CircuitState = (typeof CIRCUITS_FROM_BEST)[number]

/** The stores as a process sees them. */
export interface StoresState {
  readonly store: StoreState
  readonly configStore: StoreState
  readonly circuit: CircuitState
  /** Why a store is down, of the bucket store if both are; or why changes of policies are not applied although both are up. */
  readonly reason?: string
}

/** The health of an instance: what its worst front process sees, and how long its primary has been running. */
export interface InstanceHealth extends StoresState {
  readonly uptimeSeconds: number
}

/** @param reasons why each store is unavailable, and why changes wait; `undefined` if all is well */
export function storesState(
  circuit: CircuitState,
  reasons: {
    readonly store: string | undefined
    readonly configStore: string | undefined
    readonly queue: string | undefined
  },
): StoresState {
  const reason = reasons.store ?? reasons.configStore ?? reasons.queue
  return {
    store: reasons.store === undefined ? 'up' : 'down',
    configStore: reasons.configStore === undefined ? 'up' : 'down',
    circuit,
    ...(reason !== undefined && { reason }),
  }
}

/** What several processes see, each part as the worst of them sees it. */
export function worstOf(states: readonly StoresState[]): StoresState {
  const isDown = (name: 'store' | 'configStore') => states.some(state => state[name] === 'down')
  const worst =
    states.find(({ store }) => store === 'down') ??
    states.find(({ configStore }) => configStore === 'down') ??
    states.find(state => state.reason)
  const reason = worst?.reason
  return {
    store: isDown('store') ? 'down' : 'up',
    configStore: isDown('configStore') ? 'down' : 'up',
    circuit: CIRCUITS_FROM_BEST.findLast(circuit => states.some(state => state.circuit === circuit)) ?? 'closed',
    ...(reason !== undefined && { reason }),
  }
}

export function healthOfInstance(stores: StoresState): InstanceHealth {
  return { ...stores, uptimeSeconds: Math.floor(process.uptime()) }
}
