import type { Checker } from '../check/checker.ts'
import { CommandRunner, type CommandRunnerOptions } from '../check/resp/command-runner.ts'
import { CommandTable, type CommandTableOptions } from '../check/resp/command-table.ts'
import { RespConnection } from '../check/resp/resp-connection.ts'
import type { Session } from '../check/resp/session.ts'
import type { ConnectionSlots } from '../connections/connection-slots.ts'
import type { SharedBound } from '../connections/shared-bound.ts'
import { SocketServer } from '../connections/socket-server.ts'
import { type TaskQueue, waitForTurn } from '../connections/wait-for-turn.ts'
import { TurnBudget } from '../lib/turn-budget.ts'
import { Turns } from '../lib/turns.ts'
import type { Tracing } from '../tracing/tracer.ts'
import { TracedRespChecker } from './traced-resp-checker.ts'

/** Of connections that send many commands: they share the time with others. */
const PACE = { restPerTaskTime: 1 }

/** Short commands of all connections in one turn of the event loop, or what costs as much: a few milliseconds. Eight connections can send full batches at once. */
const COMMANDS_PER_TURN = 2_048

export interface RespDependencies extends CommandTableOptions, Omit<CommandRunnerOptions, 'table' | 'checker'> {
  readonly checker: Checker
  /** Absent if nothing is traced. */
  readonly tracing?: Tracing | undefined
  readonly slots: ConnectionSlots
  /** That all clients share. */
  readonly memory: SharedBound
  /** Aborts when the process begins to drain. */
  readonly drain: AbortSignal
}

/** The service over RESP. It does not listen yet. */
export function buildRespServer(deps: RespDependencies): SocketServer {
  const { slots, memory, drain, tracing, calls } = deps
  const checker =
    tracing === undefined ? deps.checker : new TracedRespChecker({ ...tracing, calls, checker: deps.checker })
  const table = new CommandTable(deps)
  const runner = new CommandRunner({ ...deps, checker, table })
  const isAdmitted = (session: Session) => table.isAdmitted(session)
  const turns = new Turns(PACE)
  const budget = new TurnBudget({ perTurn: COMMANDS_PER_TURN })
  return new SocketServer({
    slots,
    memory,
    drain,
    open: (socket, hold) => {
      const waiter = { socket, ip: socket.remoteAddress }
      const waitIn = (queue: TaskQueue) => (run: () => void) => void waitForTurn(queue, waiter, { run })
      const waits = { waitForTurn: waitIn(turns), waitForBudget: waitIn(budget) }
      return new RespConnection(socket, { runner, isAdmitted, hold, budget, ...waits })
    },
  })
}
