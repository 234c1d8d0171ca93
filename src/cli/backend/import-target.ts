import type { ImportDryRun } from '../../config-change/import/dry-run-import.ts'
import type { ImportCounts } from '../../domain/outcome.ts'
import type { Wait } from './backend.ts'

/** Where `throttler import` takes a file to: the service over HTTP, or its stores. Bodies are those of the HTTP API. */
export interface ImportTarget {
  /**
   * Imports a file, and waits until it is applied.
   * @throws {OperatorError} `NegativeAnswer` if a line is invalid; then nothing is imported
   */
  apply(file: AsyncIterable<Buffer>, options: ImportOptions): Promise<ImportBody>
  /**
   * What an import of the file would do.
   * @param prune as in `ImportOptions`
   * @throws {OperatorError} `NegativeAnswer` if a line is invalid
   */
  compare(file: AsyncIterable<Buffer>, prune: string | undefined): Promise<ImportDryRun>
}

export interface ImportOptions extends Wait {
  /** The prefix by which the import prunes, if it does; empty for all keys. */
  readonly prune: string | undefined
  readonly reason: string | undefined
}

/** What an import did. */
export interface ImportBody extends ImportCounts {
  readonly commandId: string
  readonly status: 'applied'
}
