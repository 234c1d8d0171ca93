export const KEYS = 10_000

/** Keys with holds. Each has as many as a key can have. */
export const HELD_KEYS = 100
export const HOLDS_PER_KEY = 1_000

/** Checks in one request that are decided together. */
export const GROUP_SIZE = 3

/** Checks in one request of a batch. */
export const BATCH_SIZE = 100

/** Commands in one pipeline. */
export const PIPELINE_SIZE = 16

export function heldKey(n: number): string {
  return `held:${n}`
}

export function randomKey(): string {
  return `user:${Math.floor(Math.random() * KEYS)}`
}

/** What requests of Envoy's protocol ask about. */
export const DESCRIPTOR_DOMAIN = 'bench'
export const DESCRIPTOR_KEY = 'user'
