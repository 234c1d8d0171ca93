/** Entry point of `npm run start:worker`. It loads everything else dynamically, so that stop signals work almost at once. */
import '../src/processes/early-stop.ts'

await import('./run-worker.ts')
