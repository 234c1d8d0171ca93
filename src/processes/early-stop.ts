/**
 * The first import of main.ts, cluster.ts and config.worker.ts. Until the rest has loaded there is nothing to stop, so a stop
 * signal or the loss of the parent ends the process immediately with the exit code of a graceful stop. The process title shows that
 * the handlers are set.
 */
import { ParentLink, SUPERVISED } from './parent-link.ts'
import { exitIfStarting, handleStopSignals } from './stop-signals.ts'

handleStopSignals()
if (process.argv.includes(SUPERVISED)) new ParentLink().onLost(exitIfStarting)
process.title = 'throttler'
