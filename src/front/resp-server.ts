import { CommandRunner, type CommandRunnerOptions } from '../check/resp/command-runner.ts'
import { CommandTable, type CommandTableOptions } from '../check/resp/command-table.ts'
import { RespConnection } from '../check/resp/resp-connection.ts'
import type { ConnectionSlots } from '../connections/connection-slots.ts'
import { SocketServer } from '../connections/socket-server.ts'

export interface RespDependencies extends CommandTableOptions, Omit<CommandRunnerOptions, 'table'> {
  readonly slots: ConnectionSlots
  /** Aborts when the process begins to drain. */
  readonly drain: AbortSignal
}

/** The service over RESP. It does not listen yet. */
export function buildRespServer(deps: RespDependencies): SocketServer {
  const runner = new CommandRunner({ ...deps, table: new CommandTable(deps) })
  const { slots, drain } = deps
  return new SocketServer({ slots, drain, open: (socket, hold) => new RespConnection(socket, runner, hold) })
}
