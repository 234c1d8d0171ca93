import { describe } from '@jest/globals'
import { isOnPath } from './on-path.ts'

/** Suites that only the real proxy can prove; left out, and said so, where there is none. */
export const describeWithNginx = isOnPath('nginx') ? describe : describe.skip
export const describeWithHaproxy = isOnPath('haproxy') ? describe : describe.skip
