/** Entry point of `npm run start:worker`. It loads everything else dynamically, so that stop signals work almost at once. */
import '../src/processes/early-stop.ts'

// A closing terminal sends it, and a signal to all processes of the service that is meant for the front.
process.on('SIGHUP', () => undefined)

await import('./run-worker.ts')
