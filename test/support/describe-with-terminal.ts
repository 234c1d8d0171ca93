import { describe } from '@jest/globals'
import { isOnPath } from './on-path.ts'

/** A suite that runs commands on a terminal. It is skipped, with a message, if there is no `script`. */
export const describeWithTerminal = isOnPath('script') ? describe : describe.skip
