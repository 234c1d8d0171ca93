import { relative } from 'node:path'
import TestSequencer from '@jest/test-sequencer'

/** Suites that wait for processes come first. Short ones without any then fill the end of a run, evenly for all workers. */
const FOLDERS = ['attacks', 'e2e', 'compatibility', 'contract', 'integration', 'property', 'unit']

/** Sorts by folder, and leaves the order within each to jest: what failed, then what took long or is large. */
export default class FoldersInOrder extends TestSequencer {
  sort(tests) {
    return super.sort(tests).sort((a, b) => placeOf(a) - placeOf(b))
  }
}

function placeOf({ path, context }) {
  const [, folder] = relative(context.config.rootDir, path).split('/')
  return FOLDERS.indexOf(folder)
}
