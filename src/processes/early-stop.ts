/**
 * The first import of an entry: until the rest has loaded there is nothing to stop, so a signal ends the process at once, with the
 * exit code of an orderly stop. So does the loss of the parent. The title shows that this is in force.
 */
import { ParentLink, SUPERVISED } from './parent-link.ts'
import { exitIfStarting, handleStopSignals } from './stop-signals.ts'

handleStopSignals()
if (process.argv.includes(SUPERVISED)) new ParentLink().onLost(exitIfStarting)
process.title = 'throttler'
