export type StoreState = 'up' | 'down'

const CIRCUITS_FROM_BEST = ['closed', 'half-open', 'open'] as const
export type CircuitState = (typeof CIRCUITS_FROM_BEST)[number]

/** The state of both stores, as a process sees it. */
export interface StoresState {
  readonly store: StoreState
  readonly configStore: StoreState
  readonly circuit: CircuitState
  /** Why a store is unavailable, of the bucket store if both are; or why changes wait although both are available. */
  readonly reason?: string
}

/** The health of an instance: the worst state that a front process sees, and the primary's uptime. */
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

/** Merges the states of several processes; each member is the worst. */
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
