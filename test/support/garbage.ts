import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
/** Collects everything, or the young generation only. */
export const collectGarbage = runInNewContext('gc') as (options?: { type: 'minor' }) => void

/** Collections of the young generation only: what survives two of them is in the old generation. */
const COLLECTIONS = 8
/** Compiled code is in the old generation, too, and comes when V8 pleases. */
const TRIES = 4

/**
 * The bytes that each of so many runs leaves in the old generation until that is collected; the smallest of a few measures.
 * @param runMany runs a part of them
 */
export async function garbageOf(runs: number, runMany: (count: number) => unknown): Promise<number> {
  const run = async () => {
    for (let i = 0; i < COLLECTIONS; i++) {
      await runMany(runs / COLLECTIONS)
      collectGarbage({ type: 'minor' })
    }
  }
  await run()
  const growths: number[] = []
  for (let i = 0; i < TRIES; i++) {
    collectGarbage()
    const before = oldBytes()
    await run()
    growths.push(oldBytes() - before)
  }
  return Math.min(...growths) / runs
}

function oldBytes(): number {
  return getHeapSpaceStatistics().find(space => space.space_name === 'old_space')?.space_used_size ?? 0
}
