import type { CommandQueue } from '../../../src/config-change/ports.ts'
import { type CommandId, partitionOf } from '../../../src/domain/command-id.ts'
import type { QueuedCommand } from '../../../src/domain/commands.ts'

/** The queues of all partitions, in memory. */
export class InMemoryCommandQueue implements CommandQueue {
  readonly #commands = new Map<CommandId, QueuedCommand>()

  async add(command: QueuedCommand): Promise<void> {
    if (!this.#commands.has(command.id)) this.#commands.set(command.id, command)
  }

  addAgain(command: QueuedCommand): Promise<void> {
    return this.add(command)
  }

  async findQueued(id: CommandId): Promise<{ readonly key?: string } | undefined> {
    const command = this.#commands.get(id)
    return command && ('key' in command ? { key: command.key } : {})
  }

  /** The commands of a partition in their order. */
  commands(partition: number): readonly QueuedCommand[] {
    return [...this.#commands.values()].filter(({ id }) => partitionOf(id) === partition)
  }

  /** Removes a command that has ended. */
  remove(id: CommandId): void {
    this.#commands.delete(id)
  }
}
