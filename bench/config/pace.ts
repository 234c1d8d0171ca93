import { setTimeout as sleep } from 'node:timers/promises'

/** Does something so many times a second, whether what was done before is over or not. Resolves when the last is over. */
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
