import { relative } from 'node:path'
import { TestEnvironment } from 'jest-environment-node'
import { descendantsOf, kill, type ProcessEntry, runningProcesses } from './processes.ts'

type Arguments = ConstructorParameters<typeof TestEnvironment>

/**
 * Kills the processes that a test file leaves behind, even if its hooks failed, and names them. A process whose parent has
 * died is found too if it ran when a test began.
 */
export default class CleanEnvironment extends TestEnvironment {
  readonly #file: string
  readonly #earlier = new Set<string>()
  readonly #started = new Set<string>()

  constructor(...args: Arguments) {
    super(...args)
    const [{ globalConfig }, { testPath }] = args
    this.#file = relative(globalConfig.rootDir, testPath)
  }

  override async setup(): Promise<void> {
    await super.setup()
    for (const entry of descendantsOf(process.pid)) this.#earlier.add(identityOf(entry))
  }

  handleTestEvent({ name }: { readonly name: string }): void {
    if (name === 'test_fn_start') this.#findStarted()
  }

  override async teardown(): Promise<void> {
    this.#findStarted()
    const left = runningProcesses().filter(entry => this.#started.has(identityOf(entry)))
    if (left.length > 0) {
      const list = left.map(({ pid, command }) => `  ${pid} ${command}\n`).join('')
      process.stderr.write(`\n${this.#file} left processes behind, which are killed:\n${list}\n`)
      for (const { pid } of left) kill(pid)
    }
    await super.teardown()
  }

  #findStarted(): void {
    for (const entry of descendantsOf(process.pid)) {
      const identity = identityOf(entry)
      if (!this.#earlier.has(identity)) this.#started.add(identity)
    }
  }
}

/** Includes the start time, since the kernel reuses the ids of ended processes. */
function identityOf({ pid, startedAt }: ProcessEntry): string {
  return `${pid} since ${startedAt}`
}
