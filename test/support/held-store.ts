import type { BucketCheck, BucketStore } from '../../src/check/ports.ts'
import type { BucketReading } from '../../src/domain/reading.ts'

/** A store whose calls the test answers. */
export class HeldStore implements BucketStore {
  readonly calls: { keys: string[]; answer(): void; fail(): void }[] = []

  check(checks: readonly BucketCheck[]): Promise<readonly BucketReading[]> {
    return new Promise((resolve, reject) => {
      this.calls.push({
        keys: checks.map(({ key }) => key),
        answer: () => resolve(checks.map(({ tokens }) => ({ allowed: true, spent: [tokens], refillPausedMs: 0 }))),
        fail: () => reject(new Error('away')),
      })
    })
  }

  async reset(): Promise<void> {}
}
