export const KEYS = 10_000

/** Checks in one request of a batch. */
export const BATCH_SIZE = 100

export function randomKey(): string {
  return `user:${Math.floor(Math.random() * KEYS)}`
}
