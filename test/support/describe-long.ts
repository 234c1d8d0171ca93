import { describe } from '@jest/globals'

/** A suite that takes too long for every run: only with TEST_LONG. */
export const describeLong = process.env['TEST_LONG'] === undefined ? describe.skip : describe
