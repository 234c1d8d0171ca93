import { setTimeout as sleep } from 'node:timers/promises'

/** Runs a task at a fixed rate, without waiting for earlier runs. Resolves when all have ended. */
export async function pace(perSecond: number, seconds: number, act: (n: number) => Promise<void>): Promise<void> {
  const under: Promise<void>[] = []
  const begin = performance.now()
  for (let n = 0; n < perSecond * seconds; n++) {
    const due = begin + (n * 1000) / perSecond
    const early = due - performance.now()
    if (early > 0) await sleep(early)
    under.push(act(n))
  }
  await Promise.all(under)
}
