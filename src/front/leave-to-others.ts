import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../observability/logger.ts'

/** How often a process asks whether others can do what it cannot, in ms. */
const ASK_INTERVAL_MS = 500

/** For how long no other process reaches the bucket store in an outage, at least, in ms. A shorter time is a pause of the store. */
const OUTAGE_MS = 5_000

/** How long a load that advances is waited for, in ms. */
const MAX_LOADING_MS = 30_000

/** Parts of a wait for the policies. Between them, the process reads what the store has sent. */
const PARTS_OF_PATIENCE = 40

interface WithoutPoliciesOptions {
  /** How long to wait for the policies in any case, and for each further step of their load, in ms. */
  readonly patienceMs: number
  /** Whether another front process of the instance serves by the policies. */
  othersKnowPolicies(): Promise<boolean>
  /** How far the load has come: a number that only grows. */
  loadedSteps(): number
  isLoaded(): boolean
  readonly logger: Logger
}

/**
 * Resolves when a process that starts may serve although it has not loaded the policies: the store does not deliver them, and nobody else
 * of its instance serves by them. Until the policy store is back, it decides every key by the built-in policy, so as long as others know
 * better, they alone serve.
 */
export async function mayServeWithoutPolicies(options: WithoutPoliciesOptions): Promise<void> {
  const { patienceMs, othersKnowPolicies, loadedSteps, isLoaded, logger } = options
  await loadStalled({ patienceMs, loadedSteps })
  await leaveToOthers(async () => !isLoaded() && (await othersKnowPolicies()), {
    because: 'the policies are not loaded yet: this process waits for them, and the others serve',
    logger,
  })
  if (!isLoaded()) logger.warn('the policies are not loaded yet: until they are, every key has the built-in policy')
}

interface WithoutBucketStoreOptions {
  /** Whether another front process of the instance reaches the bucket store. */
  othersReachStore(): Promise<boolean>
  isReached(): Promise<boolean>
  readonly logger: Logger
}

/**
 * Resolves when a process that starts reaches the bucket store, or may serve without it: no other process of its instance reaches it, or none
 * does any more. If others reach the store and this process does not, its settings may be wrong, in a file that was changed.
 */
export async function mayServeWithoutBucketStore(options: WithoutBucketStoreOptions): Promise<void> {
  const { othersReachStore, isReached, logger } = options
  let lastReachedMs = Number.NEGATIVE_INFINITY
  const mustWait = async () => {
    if (await isReached()) return false
    if (await othersReachStore()) lastReachedMs = performance.now()
    return performance.now() - lastReachedMs < OUTAGE_MS
  }
  await leaveToOthers(mustWait, {
    because: 'the bucket store does not answer this process: it waits, and the others serve',
    logger,
  })
}

/** Waits as long as another process should serve in place of this one. */
async function leaveToOthers(
  mustWait: () => Promise<boolean>,
  { because, logger }: { readonly because: string; readonly logger: Logger },
): Promise<void> {
  if (await mustWait()) logger.warn(because)
  while (await mustWait()) await sleep(ASK_INTERVAL_MS, undefined, { ref: false })
}

/** Resolves when the load has not advanced for a while, which it does not once it is done. */
async function loadStalled({ patienceMs, loadedSteps }: Pick<WithoutPoliciesOptions, 'patienceMs' | 'loadedSteps'>) {
  const deadlineMs = performance.now() + MAX_LOADING_MS
  for (let before = -1; loadedSteps() > before && performance.now() < deadlineMs; ) {
    before = loadedSteps()
    await sleepInParts(patienceMs)
  }
}

/**
 * Sleeps in parts. When a busy machine gives the process no time for a while, its timer ends before it reads what has arrived. It reads
 * that between two parts.
 */
async function sleepInParts(ms: number): Promise<void> {
  for (let part = 0; part < PARTS_OF_PATIENCE; part++) await sleep(ms / PARTS_OF_PATIENCE, undefined, { ref: false })
}
