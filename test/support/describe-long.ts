import { describe } from '@jest/globals'

/** A suite that takes minutes; it runs with `TEST_LONG` only. */
export const describeLong = process.env['TEST_LONG'] === undefined ? describe.skip : describe
