import { createHash } from 'node:crypto'
import { commandId } from '../../domain/command-id.ts'
import type { ExpirePolicy } from '../../domain/commands.ts'
import { SERVICE_ACTOR } from '../../domain/policy-record.ts'
import type { CommandQueue, DueEnd, EndReader } from '../ports.ts'

/** In ms. An end is recorded within a minute, so several attempts may fail. */
const INTERVAL_MS = 3_000

/** Ends of each partition in one round, so that changes by operators do not wait behind them for long. */
const ENDS_PER_PARTITION = 500

interface EndRecorderOptions {
  readonly reader: EndReader
  readonly queue: Pick<CommandQueue, 'add'>
  /** Called if a round fails after one that did not. The next one tries again. */
  failed(err: Error): void
}

/**
 * Has the ends of temporary policies recorded in the log: queues an ordinary command for each. No check and no read waits for it,
 * since every process knows the ends itself.
 */
export class EndRecorder {
  readonly #options: EndRecorderOptions
  #timer: NodeJS.Timeout | undefined
  #isStopped = false
  #hasFailed = false

  constructor(options: EndRecorderOptions) {
    this.#options = options
  }

  /** Begins the first round, and each further one a while after the one before it. */
  async start(): Promise<void> {
    if (this.#isStopped) return
    await this.#attempt()
    if (!this.#isStopped) this.#timer = setTimeout(() => void this.start(), INTERVAL_MS)
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  async #attempt(): Promise<void> {
    try {
      await this.record()
      this.#hasFailed = false
    } catch (err) {
      if (!this.#hasFailed) this.#options.failed(err as Error)
      this.#hasFailed = true
    }
  }

  /** Queues a command for each end that is due. */
  async record(): Promise<void> {
    const { reader, queue } = this.#options
    for (const end of await reader.dueEnds(ENDS_PER_PARTITION)) await queue.add(expireCommand(end))
  }
}

/** Equal for every worker and round, so that the command is queued once. */
function expireCommand({ key, version }: DueEnd): ExpirePolicy {
  const id = commandId(key, uuidOf(`${version} ${key}`))
  return { id, type: 'expire', key, version, actor: SERVICE_ACTOR }
}

/** A UUID of version 8, which leaves the content to the application. @see https://www.rfc-editor.org/rfc/rfc9562#section-5.8 */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
