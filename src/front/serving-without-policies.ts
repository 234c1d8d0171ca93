import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../observability/logger.ts'

/** How often a process asks whether others know the policies, in ms. */
const ASK_INTERVAL_MS = 500

interface WithoutPoliciesOptions {
  /** How long to wait for the policies in any case, in ms. */
  readonly patienceMs: number
  /** Whether another front process of the instance serves by the policies. */
  othersKnowPolicies(): Promise<boolean>
  isLoaded(): boolean
  readonly logger: Logger
}

/**
 * Resolves when a process that starts may serve although it has not loaded the policies: nobody else of its instance serves by them.
 * Until the policy store is back, it decides every key by the built-in policy, so as long as others know better, they alone serve.
 */
export async function mayServeWithoutPolicies(options: WithoutPoliciesOptions): Promise<void> {
  const { patienceMs, othersKnowPolicies, isLoaded, logger } = options
  await sleep(patienceMs, undefined, { ref: false })
  const mustWait = async () => !isLoaded() && (await othersKnowPolicies())
  if (await mustWait())
    logger.warn('the policies are not loaded yet: this process waits for them, and the others serve')
  while (await mustWait()) await sleep(ASK_INTERVAL_MS, undefined, { ref: false })
  if (!isLoaded()) logger.warn('the policies are not loaded yet: until they are, every key has the built-in policy')
}
