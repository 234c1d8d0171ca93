/** The entry of `npm start`. It loads the rest dynamically, so that a stop signal works almost from the first moment. */
import './processes/early-stop.ts'

// Nothing to replace yet.
process.on('SIGHUP', () => undefined)

await import('./processes/supervisor.ts')
