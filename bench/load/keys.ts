export const KEYS = 10_000

/** Checks in one request of a batch. */
export const BATCH_SIZE = 100

/** Commands in one pipeline. */
export const PIPELINE_SIZE = 16

export function randomKey(): string {
  return `user:${Math.floor(Math.random() * KEYS)}`
}
