/**
 * The first import of an entry: until the rest has loaded there is nothing to stop, so a signal ends the process at once, with the
 * exit code of an orderly stop. The title shows that this is in force.
 */
import { handleStopSignals } from './stop-signals.ts'

handleStopSignals()
process.title = 'throttler'
